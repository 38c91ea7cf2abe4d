import { type SQL, sql } from "drizzle-orm";

import type { Queryable } from "../backend.js";

export * from "../generated/drizzle.js";

/** What the adapter needs of a Drizzle database or transaction on PostgreSQL. */
export interface DrizzleTransaction {
  execute(query: SQL): PromiseLike<unknown>;
}

/** Runs the client's statements in a transaction of Drizzle's: `{ tx: fromDrizzle(tx) }`. */
export function fromDrizzle(tx: DrizzleTransaction): Queryable {
  return {
    async query(text, values) {
      // Every other part is the number of a parameter.
      const parts = text.split(/\$(\d+)/).map((part, at) => (at % 2 === 0 ? sql.raw(part) : sql`${values[Number(part) - 1]}`));
      const result = await tx.execute(sql.join(parts));
      // node-postgres has the rows in a result, postgres.js has nothing else.
      return { rows: Array.isArray(result) ? result : (result as { rows: unknown[] }).rows };
    },
  };
}
