import type { Queryable } from "../backend.js";

/** What the adapter needs of a Prisma client, or of the one that `$transaction` hands over. */
export interface PrismaTransaction {
  $queryRawUnsafe(query: string, ...values: unknown[]): PromiseLike<unknown>;
}

/** Runs the client's statements in a transaction of Prisma's: `{ tx: fromPrisma(tx) }`. */
export function fromPrisma(tx: PrismaTransaction): Queryable {
  return { query: async (text, values) => ({ rows: (await tx.$queryRawUnsafe(text, ...values)) as unknown[] }) };
}
