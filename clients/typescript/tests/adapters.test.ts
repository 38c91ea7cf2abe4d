import assert from "node:assert/strict";
import { after, test } from "node:test";

import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { drizzle as drizzleOnPostgresJs } from "drizzle-orm/postgres-js";
import { Kysely, PostgresDialect } from "kysely";
import postgres from "postgres";

import { InvalidInput, NoSuchPod, NotFailed, type Queryable, SlugTaken } from "@pinacle/client";
import { fromDrizzle, podJobs, pods } from "@pinacle/client/drizzle";
import { fromKysely } from "@pinacle/client/kysely";
import { fromPrisma } from "@pinacle/client/prisma";

import { prisma } from "./orm/prisma.js";
import { suite } from "./support/suite.js";

const parts = await suite();
const prismaClient = await prisma(parts.database.appUrl);
after(() => prismaClient.$disconnect());
const postgresJs = postgres(parts.database.appUrl);
after(() => postgresJs.end());

type InTransaction = (work: (tx: Queryable) => Promise<void>) => Promise<void>;

/** Runs work in a transaction of the library, which an error rolls back. */
const adapters: Record<string, InTransaction> = {
  async pg(work) {
    const connection = await parts.app.connect();
    try {
      await connection.query("BEGIN");
      await work(connection);
      await connection.query("COMMIT");
    } catch (error) {
      await connection.query("ROLLBACK");
      throw error;
    } finally {
      connection.release();
    }
  },
  drizzle: (work) => drizzle(parts.app).transaction((tx) => work(fromDrizzle(tx))),
  "drizzle-on-postgres-js": (work) => drizzleOnPostgresJs(postgresJs).transaction((tx) => work(fromDrizzle(tx))),
  async kysely(work) {
    // Without `destroy`, which would end the app's pool.
    const db = new Kysely<object>({ dialect: new PostgresDialect({ pool: parts.app }) });
    await db.transaction().execute((trx) => work(fromKysely(trx)));
  },
  prisma: (work) => prismaClient.$transaction((tx) => work(fromPrisma(tx))),
};

for (const [name, inTransaction] of Object.entries(adapters)) {
  const input = {
    id: `pod_${name}`,
    name: "An app's ✓",
    slug: name,
    config: { environment: { A: "$1 '" } },
    secrets: { env: { TOKEN: "s3cret" } },
  };

  test(`${name}: a rolled-back transaction leaves no pod and no job, a committed one has both`, async () => {
    const { client } = parts;
    const rolledBack = inTransaction(async (tx) => {
      const { jobId } = await client.pods.create(input, { tx });
      assert.equal(await client.jobs.get(jobId), null, "it is not committed yet");
      throw new Error("the payment failed");
    });
    await assert.rejects(rolledBack, /the payment failed/);
    assert.equal(await client.pods.get(input.id), null);

    let jobId = "";
    await inTransaction(async (tx) => {
      const created = await client.pods.create(input, { tx });
      // Sent twice.
      assert.deepEqual(await client.pods.create(input, { tx }), created);
      const runAt = new Date(Date.now() + 3_600_000);
      jobId = await client.jobs.enqueue(input.id, "restart", { runAt, priority: 2, requestedBy: "Ada", payload: {}, tx });
      const stop = await client.jobs.enqueue(input.id, "stop", { tx });
      assert.equal(await client.jobs.cancel(stop, { tx }), true);
      assert.equal(await client.secrets.delete({ podId: input.id, kind: "env", name: "TOKEN" }, { tx }), true);
    });
    assert.deepEqual((await client.pods.get(input.id))?.config, input.config);
    const job = await client.jobs.get(jobId);
    assert.deepEqual([job?.kind, job?.priority, job?.requestedBy], ["restart", 2, "Ada"]);
    assert.ok(job!.runAt.getTime() > Date.now() + 3_000_000);
    assert.deepEqual(await client.secrets.list(input.id), []);
  });

  test(`${name}: what the database refuses is the same error as without a transaction`, async () => {
    const { client } = parts;
    const refused = (work: (tx: Queryable) => Promise<unknown>) => inTransaction(async (tx) => void (await work(tx)));
    await assert.rejects(refused((tx) => client.pods.create({ name: "x", slug: name }, { tx })), SlugTaken);
    await assert.rejects(refused((tx) => client.pods.create({ name: "x", slug: "NO" }, { tx })), InvalidInput);
    await assert.rejects(refused((tx) => client.pods.requeue(input.id, { tx })), NotFailed);
    await assert.rejects(refused((tx) => client.jobs.enqueue("pod_none", "stop", { tx })), (error: NoSuchPod) => {
      assert.ok(error instanceof NoSuchPod);
      assert.equal(error.message, 'There is no pod "pod_none". Insert its row into pods first.');
      return true;
    });
  });
}

test("drizzle reads the tables with their types", async () => {
  const { client } = parts;
  const { podId, jobId } = await client.pods.create({ name: "Typed", slug: "typed" });
  const db = drizzle(parts.app);
  const [row] = await db
    .select({ status: pods.status, job: podJobs.id, at: podJobs.createdAt })
    .from(pods)
    .innerJoin(podJobs, eq(podJobs.podId, pods.id))
    .where(eq(pods.id, podId));
  const status: "pending" | string | undefined = row?.status;
  assert.deepEqual([status, row?.job, row?.at instanceof Date], ["pending", jobId, true]);
});
