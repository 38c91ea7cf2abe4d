import assert from "node:assert/strict";
import { test } from "node:test";

import {
  createClient,
  InvalidConfig,
  InvalidInput,
  NoSuchJob,
  NoSuchPod,
  NoSuchServer,
  NotAllowed,
  NotFailed,
  NotMigrated,
  type PodConfig,
  PodExists,
  SlugTaken,
  TimedOut,
} from "@pinacle/client";

import { suite } from "./support/suite.js";

const parts = await suite();

test("a created pod has its row, its secrets and its job", async () => {
  const { client, owner } = parts;
  const config: PodConfig = { tier: "dev.small", install: "npm ci" };
  const { podId, jobId } = await client.pods.create({
    name: "First",
    slug: "first",
    ownerId: "user_1",
    requestedBy: "Ada",
    config,
    secrets: { env: { API_KEY: "s3cret" }, deployKey: "key" },
  });
  const pod = await client.pods.get(podId);
  assert.equal(pod?.status, "pending");
  assert.deepEqual(pod?.config, config);
  assert.ok(pod?.createdAt instanceof Date);
  const job = await client.jobs.get(jobId);
  assert.deepEqual([job?.kind, job?.status, job?.requestedBy, job?.podId], ["create", "queued", "Ada", podId]);
  const secrets = await client.secrets.list(podId);
  assert.deepEqual(secrets.map(({ kind, name }) => [kind, name]), [["deploy_key", ""], ["env", "API_KEY"]]);
  const { rows } = await owner.query("SELECT value FROM pinacle.pod_secrets WHERE name = 'API_KEY'");
  assert.deepEqual(rows, [{ value: "s3cret" }]);
});

test("a form that is sent twice makes one pod with one job", async () => {
  const { client } = parts;
  const input = { id: "pod_form", name: "Form", slug: "form", ownerId: "user_1" };
  const both = await Promise.all([client.pods.create(input), client.pods.create(input)]);
  assert.deepEqual(both[0], both[1]);
  assert.equal((await client.jobs.list({ podId: "pod_form" })).length, 1);
  await assert.rejects(client.pods.create({ ...input, ownerId: "user_2" }), PodExists);
});

test("what is refused is an error that says why, and leaves nothing", async () => {
  const { client } = parts;
  await client.pods.create({ id: "pod_taken", name: "Taken", slug: "taken" });
  const create = (input: object) => client.pods.create({ name: "Refused", slug: "refused", ...input });
  await assert.rejects(create({ slug: "taken" }), (error: SlugTaken) => {
    assert.ok(error instanceof SlugTaken);
    assert.equal(error.code, "SlugTaken");
    assert.equal(error.message, 'Another pod has the slug "taken". Choose another.');
    return true;
  });
  await assert.rejects(create({ slug: "Not A Label" }), InvalidInput);
  await assert.rejects(create({ name: "\0" }), InvalidInput);
  await assert.rejects(create({ serverId: "server_none" }), NoSuchServer);
  await assert.rejects(create({ config: { environment: { BIG: "x".repeat(300_000) } } }), InvalidConfig);
  await assert.rejects(client.jobs.enqueue("pod_none", "start"), NoSuchPod);
  await assert.rejects(client.jobs.enqueue("pod_taken", "start", { priority: 2 ** 40 }), InvalidInput);
  await assert.rejects(client.jobs.cancel("job_none"), NoSuchJob);
  await assert.rejects(client.pods.requeue("pod_none"), NoSuchPod);
  await assert.rejects(client.pods.requeue("pod_taken"), NotFailed);
  assert.deepEqual((await client.pods.list()).filter(({ name }) => name === "Refused"), []);
});

test("a config is checked before the insert, with the path of each problem", async () => {
  const config = { tier: "dev.huge", ports: [{ name: "web", internal: 70_000 }], intall: "x", environment: { "A B": "" } };
  await assert.rejects(parts.client.pods.create({ name: "Bad", slug: "bad", config: config as PodConfig }), (error) => {
    assert.ok(error instanceof InvalidConfig);
    const paths = error.problems.map(({ path }) => path).sort();
    assert.deepEqual(paths, ["environment.A B", "intall", "ports[0].internal", "tier"]);
    assert.match(error.message, /tier must be one of dev.small, dev.medium, dev.large, dev.xlarge[;.]/);
    assert.doesNotMatch(error.message, /null/);
    assert.match(error.message, /intall is not a key of a pod's config/);
    return true;
  });
});

test("a double click is one job, and a cancelled one is over", async () => {
  const { client } = parts;
  const { podId, jobId } = await client.pods.create({ name: "Clicks", slug: "clicks" });
  const stop = await client.jobs.enqueue(podId, "stop", { requestedBy: "Ada" });
  assert.equal(await client.jobs.enqueue(podId, "stop"), stop);
  const later = await client.jobs.enqueue(podId, "start", { runAt: new Date(Date.now() + 3_600_000), priority: 3 });
  assert.equal((await client.jobs.get(later))?.priority, 3);
  assert.equal(await client.jobs.cancel(stop), true);
  assert.equal(await client.jobs.cancel(stop), false);
  const job = await client.jobs.wait(stop);
  assert.deepEqual([job.status, job.lastError], ["cancelled", "Cancelled on request before it ran."]);
  await assert.rejects(client.jobs.wait(jobId, { timeoutMs: 50 }), TimedOut);
  const abort = new AbortController();
  const waiting = client.jobs.wait(jobId, { signal: abort.signal });
  abort.abort(new Error("the user has gone"));
  await assert.rejects(waiting, /the user has gone/);
});

test("an admin requeues one failed pod, or all that a filter matches", async () => {
  const { client, owner } = parts;
  for (const number of [1, 2, 3]) {
    const ownerId = number === 3 ? "user_other" : "user_failed";
    await client.pods.create({ id: `pod_failed_${number}`, name: "F", slug: `failed-${number}`, ownerId });
  }
  await owner.query(`UPDATE pinacle.pod_jobs SET status = 'failed', finished_at = now() WHERE pod_id LIKE 'pod_failed_%'`);
  await owner.query(`UPDATE pinacle.pods SET status = 'failed', last_error = 'x' WHERE id LIKE 'pod_failed_%'`);
  assert.equal((await client.pods.list({ status: "failed" })).length, 3);
  assert.equal(await client.pods.requeueFailed({ ownerId: "user_failed", requestedBy: "Root" }), 2);
  const jobs = await client.jobs.list({ podId: "pod_failed_1", status: ["queued"] });
  assert.deepEqual(jobs.map(({ kind, requestedBy }) => [kind, requestedBy]), [["create", "Root"]]);
  const job = await client.pods.requeue("pod_failed_3", { requestedBy: "Root" });
  assert.equal((await client.jobs.get(job))?.kind, "create");
});

test("a list has pages, the newest first", async () => {
  const { client } = parts;
  for (const number of [1, 2, 3]) {
    await client.pods.create({ id: `pod_page_${number}`, name: "P", slug: `page-${number}`, ownerId: "user_pages" });
  }
  const first = await client.pods.list({ ownerId: "user_pages", limit: 2 });
  assert.deepEqual(first.map(({ id }) => id), ["pod_page_3", "pod_page_2"]);
  const rest = await client.pods.list({ ownerId: "user_pages", after: "pod_page_2" });
  assert.deepEqual(rest.map(({ id }) => id), ["pod_page_1"]);

  // The jobs of one transaction have one time.
  const tx = await parts.app.connect();
  await tx.query("BEGIN");
  for (const kind of ["stop", "start", "restart"] as const) await client.jobs.enqueue("pod_page_1", kind, { tx });
  await tx.query("COMMIT");
  tx.release();
  const jobs = await client.jobs.list({ podId: "pod_page_1", limit: 3 });
  assert.deepEqual(jobs.map(({ kind }) => kind), ["restart", "start", "stop"]);
});

test("the app's role may do no more than the client does", async () => {
  const { app, client } = parts;
  const { podId } = await client.pods.create({ name: "Rights", slug: "rights" });
  const refused = [
    `UPDATE pinacle.pods SET lease = 7 WHERE id = '${podId}'`,
    "SELECT value FROM pinacle.pod_secrets",
    `INSERT INTO pinacle.pod_jobs (pod_id, kind, status) VALUES ('${podId}', 'start', 'running')`,
  ];
  for (const statement of refused) await assert.rejects(app.query(statement), { code: "42501" }, statement);
});

test("a role without rights, and a database without the schema, are told apart", async () => {
  const { database, owner } = parts;
  await owner.query("REVOKE EXECUTE ON FUNCTION pinacle.cancel_pod_job FROM PUBLIC, " + database.role);
  await assert.rejects(parts.client.jobs.cancel("job_none"), NotAllowed);
  await database.worker(["grant", database.role]);
  const url = new URL(database.ownerUrl);
  url.pathname = "/postgres";
  const pool = database.pool({ as: "owner", connectionString: url.href });
  await assert.rejects(createClient({ pool }).pods.get("pod_none"), NotMigrated);
});

test("a user's own list does not read the pods of others", async () => {
  const { owner, app } = parts;
  await owner.query(
    `INSERT INTO pinacle.pods (name, slug, owner_id) SELECT 'x', 'many-' || n, 'user_' || n % 1000 FROM generate_series(1, 20000) n`,
  );
  await owner.query("ANALYZE pinacle.pods");
  const statements: string[] = [];
  const watched = {
    options: app.options,
    connect: () => app.connect(),
    query: (text: string, values: unknown[]) => (statements.push(text), app.query(text, values)),
  };
  assert.equal((await createClient({ pool: watched }).pods.list({ ownerId: "user_7" })).length, 20);
  const plan = await owner.query(`EXPLAIN (FORMAT JSON) ${statements[0]}`, [100, "user_7"]);
  const nodes = JSON.stringify(plan.rows[0]);
  assert.match(nodes, /pods_of_an_owner/);
  assert.doesNotMatch(nodes, /Seq Scan/);
});

test("a connection that is lost in a transaction is an error, and the app goes on", async () => {
  const { database, owner, app } = parts;
  const pool = database.pool();
  const client = createClient({ pool });
  const locker = await app.connect();
  await locker.query("BEGIN");
  await client.pods.create({ name: "Blocks", slug: "blocked" }, { tx: locker });
  const creating = client.pods.create({ name: "Waits", slug: "blocked" });
  const waits = async () => {
    const { rows } = await owner.query("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = $1", [database.role]);
    return rows.map(({ pid }: { pid: number }) => pid);
  };
  while ((await waits()).length === 0) await new Promise(setImmediate);
  for (const pid of await waits()) await owner.query("SELECT pg_terminate_backend($1)", [pid]);
  await assert.rejects(creating);
  await locker.query("ROLLBACK");
  locker.release();
  assert.equal(await client.pods.get("pod_none"), null);
});

test("what plain JavaScript may bring is refused with a sentence", async () => {
  const { client, app } = parts;
  const { podId } = await client.pods.create({ name: "Plain", slug: "plain" });
  const wrong = [
    () => client.pods.create({ name: undefined as unknown as string, slug: "x" }),
    () => client.pods.create({ name: "\ud800", slug: "x" }),
    () => client.pods.create({ name: "x", slug: "x" }, { tx: app }),
    () => client.pods.list({ ownerId: undefined as unknown as string }),
    () => client.pods.list({ limit: NaN }),
    () => client.jobs.enqueue(podId, "stop", { runAt: new Date(NaN) }),
    () => client.jobs.enqueue(podId, "stop", { runAt: new Date("+010000-01-01") }),
    () => client.jobs.enqueue(podId, "stop", { priority: 1.5 }),
    () => client.jobs.enqueue(podId, "stop", { payload: [] }),
    () => client.jobs.enqueue(podId, "stop", { payload: { big: 1n } }),
    () => client.jobs.enqueue(podId, "stop", { payload: { nul: "\0" } }),
    () => client.jobs.enqueue(podId, "explode" as "stop"),
    () => client.secrets.put({ podId, kind: "env", name: "A B" }, "x"),
    () => client.secrets.put({ podId, kind: "env", name: "A" }, 1 as unknown as string),
    () => client.secrets.put({ podId, kind: "env", name: "A" }, "hpke:v1:x"),
  ];
  for (const call of wrong) await assert.rejects(call(), InvalidInput, call.toString());
  await assert.rejects(client.pods.create({ name: "x", slug: "x", config: new Date() as PodConfig }), InvalidConfig);
});
