import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { PrismaPg } from "@prisma/adapter-pg";

const ROOT = new URL("../../../", import.meta.url);
const SCHEMA = new URL("tests/orm/schema.prisma", ROOT);

export interface Prisma {
  $transaction<T>(work: (tx: PrismaTx) => Promise<T>): Promise<T>;
  $disconnect(): Promise<void>;
}
export interface PrismaTx {
  $queryRawUnsafe(query: string, ...values: unknown[]): Promise<unknown>;
  order: { create(input: { data: { podId: string } }): Promise<{ id: number }> };
}

/** Generates Prisma's client for the app's schema, and connects it. */
export async function prisma(url: string): Promise<Prisma> {
  // The generator asks for the schema engine, which it doesn't run; it would be fetched from Prisma's own host.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" };
  await promisify(execFile)("npx", ["prisma", "generate", "--schema", SCHEMA.pathname], { env, cwd: ROOT.pathname });
  const generated = (await import(new URL("build/prisma/index.js", ROOT).href)) as {
    default: { PrismaClient: new (options: { adapter: PrismaPg }) => Prisma };
  };
  return new generated.default.PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
}
