import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidConfig, InvalidInput, NoSuchPod, NotFailed, type PodConfig, PodExists, type PodEvent, SlugTaken } from "@pinacle/client";

import { collect, shown } from "./log.js";
import type { World } from "./world.js";

/** What holds with the real worker and with the fake one. */
export function behaviour({ client, work }: World): void {
  const statuses = async (podId: string) => {
    const jobs = (await client.jobs.list({ podId })).reverse();
    return jobs.map(({ kind, status }) => `${kind} ${status}`);
  };

  test("a pod comes up, stops, starts and goes, and its steps and events say so", async () => {
    const abort = new AbortController();
    const events: PodEvent[] = [];
    const config: PodConfig = { install: ["echo one", "echo two >&2"] };
    const { podId, jobId } = await client.pods.create({ id: "pod_life", name: "L", slug: "life", ownerId: "ada", config });
    const following = (async () => {
      for await (const event of client.events(podId, { signal: abort.signal })) events.push(event);
    })();
    await work();
    const pod = await client.pods.get(podId);
    assert.deepEqual([pod?.status, pod?.up, pod?.lastError], ["running", true, null]);
    assert.match(pod!.publicUrl!, new RegExp(`^http://pod-life\\.localhost:${pod!.proxyPort}$`));
    const steps = await client.jobs.steps(jobId);
    assert.deepEqual(steps.map(({ name }) => name), CREATE_STEPS);
    assert.ok(steps.every(({ status, finishedAt }) => /succeeded|skipped/.test(status) && finishedAt !== null));
    const job = await client.jobs.get(jobId);
    assert.deepEqual([job?.status, job?.attempt, job?.stepsDone], ["succeeded", 1, CREATE_STEPS.length]);
    const log = shown(await collect(client.logs(podId)));
    assert.ok(log.includes("$ echo one\none\n(0)\n$ echo two >&2\ntwo\n(0)\n"), log);

    for (const [kind, status, up] of [["stop", "stopped", false], ["start", "running", true], ["restart", "running", true]] as const) {
      await client.jobs.enqueue(podId, kind);
      await work();
      const pod = await client.pods.get(podId);
      assert.deepEqual([pod?.status, pod?.up], [status, up], kind);
    }
    await client.jobs.enqueue(podId, "destroy");
    await work();
    assert.equal((await client.pods.get(podId))?.status, "terminated");
    assert.ok((await client.pods.get(podId))?.destroyedAt);
    assert.deepEqual(await client.pods.list({ ownerId: "ada" }), []);
    assert.deepEqual(await statuses(podId), ["create succeeded", "stop succeeded", "start succeeded", "restart succeeded", "destroy succeeded"]);
    abort.abort();
    await following;
    const podStates = events.filter(({ jobId }) => jobId === null).map(({ status }) => status);
    assert.deepEqual(podStates, POD_STATES);
    const own = events.filter((event) => event.jobId === jobId);
    assert.ok(own.some(({ status, step }) => status === "running" && step !== null), JSON.stringify(own));
    assert.equal(own.at(-1)?.status, "succeeded");
  });

  test("a failing install says why, keeps the pod up, and runs again on a requeue", async () => {
    const config: PodConfig = { install: "echo no such package >&2; exit 3" };
    const { podId, jobId } = await client.pods.create({ name: "F", slug: "failing", config });
    await work();
    const pod = await client.pods.get(podId);
    assert.deepEqual([pod?.status, pod?.up], ["failed", true]);
    assert.match(pod!.lastError!, /no such package/);
    const job = await client.jobs.get(jobId);
    assert.deepEqual([job?.status, job?.lastError], ["failed", pod?.lastError]);
    const failed = (await client.jobs.steps(jobId)).find(({ status }) => status === "failed");
    assert.deepEqual([failed?.name, failed?.attempt], ["install", 1]);
    assert.match(shown(await collect(client.logs(podId))), /no such package\n\(3\)\n/);

    assert.equal(await client.pods.requeueFailed({ requestedBy: "Root" }), 1);
    await work();
    const [again] = await client.jobs.list({ podId });
    assert.deepEqual([again?.kind, again?.status, again?.requestedBy], ["create", "failed", "Root"]);
  });

  test("a kind that does not fit the pod fails at once, and a pod that is not failed can't be requeued", async () => {
    const { podId } = await client.pods.create({ name: "M", slug: "misfit" });
    await client.jobs.enqueue(podId, "destroy");
    await work();
    const start = await client.jobs.enqueue(podId, "start");
    await work();
    const job = await client.jobs.get(start);
    assert.deepEqual([job?.status, job?.attempt], ["failed", 1]);
    assert.match(job!.lastError!, /cannot start the pod: it was destroyed/);
    assert.equal((await client.pods.get(podId))?.status, "terminated");
    await assert.rejects(client.pods.requeue(podId), NotFailed);
  });

  test("a destroy cancels what waits before it", async () => {
    const { podId, jobId } = await client.pods.create({ name: "D", slug: "doomed" });
    const later = await client.jobs.enqueue(podId, "stop");
    const destroy = await client.jobs.enqueue(podId, "destroy");
    await work();
    assert.equal((await client.jobs.wait(destroy)).status, "succeeded");
    assert.equal((await client.jobs.get(later))?.status, "cancelled");
    assert.match((await client.jobs.get(jobId))!.status, /cancelled|succeeded/);
    assert.equal((await client.pods.get(podId))?.status, "terminated");
  });

  test("what is refused is the same error", async () => {
    const { podId } = await client.pods.create({ id: "pod_same", name: "S", slug: "same" });
    await assert.rejects(client.pods.create({ name: "S", slug: "same" }), SlugTaken);
    await assert.rejects(client.pods.create({ id: "pod_same", name: "S", slug: "other" }), PodExists);
    await assert.rejects(client.pods.create({ name: "S", slug: "x", config: { tire: 1 } as PodConfig }), InvalidConfig);
    await assert.rejects(client.jobs.enqueue("pod_none", "start"), NoSuchPod);
    const invalid = [{ slug: "Not A Label" }, { id: "a/b" }, { ownerId: "x".repeat(300) }, { name: "\0" }];
    for (const input of invalid) {
      await assert.rejects(client.pods.create({ name: "S", slug: "invalid", ...input }), (error: InvalidInput) => {
        assert.ok(error instanceof InvalidInput, String(error));
        assert.doesNotMatch(error.message, /constraint|relation/);
        return true;
      });
    }
    assert.equal((await client.pods.create({ id: "pod_same", name: "S", slug: "same" })).podId, podId);
    assert.equal((await client.jobs.list({ podId })).length, 1, "a double click is one job");
    await client.jobs.enqueue(podId, "destroy");
    await work();
    await client.pods.create({ name: "S", slug: "same" });
  });
}

const UP_STEPS = `network|volume|image|container|start|proxy|repository|environment|install services|install|preStart|services
  |processes|health|postStart`;
const CREATE_STEPS = ["place", "port", ...UP_STEPS.split("|").map((name) => name.trim())];
const POD_STATES = `pending provisioning running stopping stopped starting running starting running terminating terminated`.split(" ");
