import assert from "node:assert/strict";
import { test } from "node:test";

import type { PodEvent } from "@pinacle/client";

import { suite } from "./support/suite.js";

const parts = await suite();

/** Reads on until an event is like this, and returns all. */
async function until(events: AsyncIterable<PodEvent>, like: Partial<PodEvent>, seen: PodEvent[] = []): Promise<PodEvent[]> {
  for await (const event of events) {
    seen.push(event);
    if (Object.entries(like).every(([field, value]) => event[field as keyof PodEvent] === value)) break;
  }
  return seen;
}

const setJob = (jobId: string, set: string) => parts.owner.query(`UPDATE pinacle.pod_jobs SET ${set} WHERE id = $1`, [jobId]);
const setPod = (podId: string, set: string) => parts.owner.query(`UPDATE pinacle.pods SET ${set} WHERE id = $1`, [podId]);
const endConnections = () =>
  parts.owner.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [parts.database.role]);

test("a follower of a pod gets its present state, and each change", async () => {
  const { client } = parts;
  const { podId, jobId } = await client.pods.create({ name: "E", slug: "events" });
  const seen: PodEvent[] = [];
  await until(client.events(podId), { jobId }, seen);
  assert.deepEqual(seen.map(({ kind, status }) => [kind, status]), [[null, "pending"], ["create", "queued"]]);

  const following = until(client.events(podId), { status: "succeeded" });
  await setJob(jobId, "status = 'running', lease = 1, step = 'place', steps_done = 0, steps_total = 3");
  await setPod(podId, "status = 'provisioning'");
  await setJob(jobId, "step = 'port', steps_done = 1");
  await setJob(jobId, "status = 'succeeded', steps_done = 3, finished_at = now()");
  const last = (await following).at(-1);
  assert.deepEqual(last, { podId, jobId, kind: "create", status: "succeeded", step: "port", stepsDone: 3, stepsTotal: 3 });

  const after = await until(client.events(podId), { jobId });
  assert.deepEqual(after.map(({ status }) => status), ["provisioning", "succeeded"], "the last job is told though it is over");
});

test("the last state comes though the connection is lost, and is told once", async () => {
  const { client } = parts;
  const { podId, jobId } = await client.pods.create({ name: "L", slug: "lost" });
  const one: PodEvent[] = [];
  const ofOne = until(client.events(podId), { jobId, status: "succeeded" }, one);
  const ofAll = until(client.events(), { jobId, status: "succeeded" });
  while (one.length < 2) await new Promise(setImmediate);
  for (let done = 1; done <= 20; done += 1) {
    if (done % 7 === 0) await endConnections();
    await setJob(jobId, `status = 'running', lease = 1, step = 'x', steps_done = ${done}, steps_total = 20`);
  }
  await endConnections();
  await setPod(podId, "status = 'running'");
  await setJob(jobId, "status = 'succeeded', finished_at = now()");
  await Promise.all([ofOne, ofAll]);
  const texts = one.map((event) => JSON.stringify(event));
  assert.equal(new Set(texts).size, texts.length, "no state is told twice");
});

test("whoever may connect may notify, and with anything", async () => {
  const { client, app } = parts;
  const { podId, jobId } = await client.pods.create({ name: "N", slug: "noise" });
  const seen: PodEvent[] = [];
  const following = until(client.events(podId), { status: "cancelled" }, seen);
  while (seen.length < 2) await new Promise(setImmediate);
  for (const noise of ["", "null", "[1", '{"pod_id": 7}', '"x"']) await app.query("SELECT pg_notify('pod_events', $1)", [noise]);
  await client.jobs.cancel(jobId);
  await following;
  assert.deepEqual(seen.map(({ status }) => status), ["pending", "queued", "cancelled"]);
});
