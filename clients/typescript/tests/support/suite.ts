import { after } from "node:test";

import type { Pool } from "pg";

import { type Client, createClient } from "@pinacle/client";

import { Database } from "./database.js";

/** A database for the tests of a file, a client as the app, and a pool that may do what the worker may. */
export async function suite(): Promise<{ database: Database; app: Pool; owner: Pool; client: Client }> {
  const database = await Database.create();
  after(() => database.drop());
  const app = database.pool();
  return { database, app, owner: database.pool({ as: "owner" }), client: createClient({ pool: app }) };
}
