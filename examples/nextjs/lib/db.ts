import { createClient } from "@pinacle/client";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";

function connect() {
  const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"] });
  // An idle connection that is lost is replaced by the pool; without a listener its error would end the process.
  pool.on("error", (error) => console.error(`A database connection was lost: ${error.message}`));
  return { db: drizzle(pool), client: createClient({ pool, secretsKey: process.env["PINACLE_SECRETS_KEY"] }) };
}

// Next.js may load this module more than once a process. There must be one pool, and one connection that listens.
const shared = globalThis as { pinacleExample?: ReturnType<typeof connect> };

export const { db, client } = (shared.pinacleExample ??= connect());
