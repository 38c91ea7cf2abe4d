import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";

import { type Kysely, Kysely as Database, Migrator, PostgresDialect } from "kysely";

import { suite } from "./support/suite.js";

const parts = await suite();
const ROOT = new URL("../../", import.meta.url);
// A role that may drop ours. Where it is named as our schema, that comes first on its search path.
const url = `${parts.database.ownerUrl}?options=${encodeURIComponent("-c search_path=public")}`;

/** All that stands in our schemas, and what it looks like. */
async function ours(): Promise<unknown> {
  const { rows } = await parts.owner.query(
    `SELECT c.oid::regclass::text AS name, c.relkind, c.relacl::text,
            (SELECT array_agg(a.attname || ' ' || a.atttypid::regtype ORDER BY a.attnum) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
     FROM pg_class c WHERE c.relnamespace::regnamespace::text IN ('pinacle', 'apalis') ORDER BY 1`,
  );
  const functions = await parts.owner.query(
    `SELECT oid::regprocedure::text AS name, md5(prosrc) FROM pg_proc
     WHERE pronamespace::regnamespace::text IN ('pinacle', 'apalis') ORDER BY 1`,
  );
  return [rows, functions.rows];
}

/** The app's own tables are there, and ours are as they were. */
async function leavesOursAlone(push: () => Promise<unknown>, table: string): Promise<void> {
  const before = await ours();
  await push();
  await push();
  assert.deepEqual(await ours(), before);
  const { rows } = await parts.owner.query("SELECT to_regclass($1)::text AS name", [table]);
  assert.deepEqual(rows, [{ name: table }]);
}

test("drizzle-kit push", async () => {
  const schema = new URL("build/drizzle-schema.mjs", ROOT);
  // The app has our views beside its own tables.
  await writeFile(
    schema,
    `import { pgTable, serial, text } from "drizzle-orm/pg-core";
     export * from "../dist/adapters/drizzle.js";
     export const notes = pgTable("notes", { id: serial("id").primaryKey(), podId: text("pod_id").notNull() });`,
  );
  const config = new URL("build/drizzle.config.json", ROOT);
  await writeFile(config, JSON.stringify({ dialect: "postgresql", schema: schema.pathname, dbCredentials: { url } }));
  const push = () =>
    promisify(execFile)("npx", ["drizzle-kit", "push", "--force", "--config", config.pathname], { cwd: ROOT.pathname });
  await leavesOursAlone(push, "notes");
});

test("Kysely's Migrator", async () => {
  const pool = parts.database.pool({ connectionString: url });
  const db = new Database<object>({ dialect: new PostgresDialect({ pool }) });
  const migrations = {
    "1": { up: (db: Kysely<unknown>) => db.schema.createTable("tags").addColumn("id", "integer").execute() },
  };
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  await leavesOursAlone(async () => {
    const { error } = await migrator.migrateToLatest();
    if (error) throw error as Error;
  }, "tags");
});

test("prisma db push", async () => {
  // It removes what is not in its schema, where it looks.
  await parts.owner.query("DROP TABLE notes, tags, kysely_migration, kysely_migration_lock");
  const push = new URL("build/tests/orm/push.js", ROOT).pathname;
  await leavesOursAlone(() => promisify(execFile)(process.execPath, [push, url]), "orders");
});
