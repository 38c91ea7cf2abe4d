import assert from "node:assert/strict";
import { test } from "node:test";

import { type AdminAction, adminRoute, type AdminView } from "@pinacle/client/next";

import { newPod } from "./support/pods.js";
import { suite } from "./support/suite.js";

const { client, owner } = await suite();
const URL_ = "http://app.test/api/admin";

/** The route for somebody who is granted these. */
const granting = (...granted: AdminAction[]) =>
  adminRoute({ client, authorize: (_, action) => (granted.includes(action) ? { requestedBy: "Root" } : null) });
const root = granting("read", "requeue", "requeueFailed", "cancel");

const post = (body: unknown, type = "application/json") =>
  new Request(URL_, { method: "POST", headers: { "Content-Type": type }, body: JSON.stringify(body) });

async function failedPod(ownerId = "ada") {
  const pod = await newPod(client, owner, ownerId);
  await pod.setJob("status = 'failed', lease = 1, finished_at = now(), last_error = '`npm ci` exited with code 1'");
  await pod.setPod("status = 'failed', last_error = '`npm ci` exited with code 1'");
  return pod;
}

test("the view has what a page shows, and no more", async () => {
  const { podId, jobId } = await failedPod();
  const read = granting("read", "cancel");
  const response = await read.GET(new Request(URL_));
  assert.equal(response.headers.get("cache-control"), "no-store");
  const view = (await response.json()) as AdminView;
  assert.deepEqual(view.granted, ["read", "cancel"]);
  const pod = view.failedPods.find(({ id }) => id === podId)!;
  assert.equal(pod.lastError, "`npm ci` exited with code 1");
  assert.ok(!("config" in pod));
  const job = view.jobs.find(({ id }) => id === jobId)!;
  assert.deepEqual([job.kind, job.status, job.requestedBy], ["create", "failed", "Ada"]);
  assert.ok(!("payload" in job));
  const { steps } = (await (await read.GET(new Request(`${URL_}?jobId=${jobId}`))).json()) as { steps: unknown[] };
  assert.deepEqual(steps, []);
});

test("each action needs its own grant", async () => {
  const { podId, jobId } = await failedPod();
  const asked = [
    { action: "requeue", podId },
    { action: "requeueFailed", filter: {} },
    { action: "cancel", jobId },
  ] as const;
  assert.equal((await granting().GET(new Request(URL_))).status, 403);
  assert.equal((await granting("requeue").GET(new Request(`${URL_}?jobId=${jobId}`))).status, 403);
  for (const body of asked) {
    const others = (["read", "requeue", "requeueFailed", "cancel"] as const).filter((action) => action !== body.action);
    assert.equal((await granting(...others).POST(post(body))).status, 403, body.action);
  }
  assert.equal((await client.pods.get(podId))?.status, "failed");
  assert.equal((await client.jobs.list({ podId })).length, 1);
});

test("a requeue says who asked, by the server's word alone", async () => {
  const { podId } = await failedPod();
  const response = await root.POST(post({ action: "requeue", podId, requestedBy: "Somebody else" }));
  const { jobId } = (await response.json()) as { jobId: string };
  assert.equal((await client.jobs.get(jobId))?.requestedBy, "Root");
  assert.deepEqual(await (await root.POST(post({ action: "cancel", jobId }))).json(), { cancelled: true });
});

test("what a filter matches is requeued, and nothing else", async () => {
  const [one, two, other] = [await failedPod("bob"), await failedPod("bob"), await failedPod("eve")];
  const response = await root.POST(post({ action: "requeueFailed", filter: { ownerId: "bob" } }));
  assert.deepEqual(await response.json(), { requeued: 2 });
  const counts = await Promise.all([one, two, other].map(async ({ podId }) => (await client.jobs.list({ podId })).length));
  assert.deepEqual(counts, [2, 2, 1]);
});

test("what can't be done is said in a sentence", async () => {
  const { podId } = await newPod(client, owner);
  const status = async (request: Request) => {
    const response = await root.POST(request);
    assert.match(((await response.json()) as { error: string }).error, /\.$/);
    return response.status;
  };
  assert.equal(await status(post({ action: "requeue", podId })), 409);
  assert.equal(await status(post({ action: "requeue", podId: "pod_none" })), 404);
  assert.equal(await status(post({ action: "cancel", jobId: "job_none" })), 404);
  assert.equal(await status(post({ action: "requeue", podId: "\0" })), 400);
  const wrong = [null, [], {}, { action: "drop" }, { action: "requeue" }, { action: "cancel", jobId: 1 }];
  for (const body of wrong) assert.equal(await status(post(body)), 400);
  // A mistyped filter would match all.
  for (const filter of [{ owner: "bob" }, { ownerId: 1 }, null]) {
    assert.equal(await status(post({ action: "requeueFailed", filter })), 400);
  }
  assert.equal(await status(new Request(URL_, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{" })), 400);
});

test("a form of a foreign page can't ask for anything", async () => {
  const { podId } = await failedPod();
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; application/json"]) {
    assert.equal((await root.POST(post({ action: "requeue", podId }, type))).status, 415, type);
  }
});
