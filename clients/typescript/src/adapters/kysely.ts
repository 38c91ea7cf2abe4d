import { CompiledQuery, type Kysely, type Transaction } from "kysely";

import type { Queryable } from "../backend.js";

/** Runs the client's statements in a transaction of Kysely's: `{ tx: fromKysely(trx) }`. */
export function fromKysely(trx: Transaction<any> | Kysely<any>): Queryable {
  return { query: (text, values) => trx.executeQuery(CompiledQuery.raw(text, values)) };
}
