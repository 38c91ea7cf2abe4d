import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";

import pg from "pg";

/** How long the connections of a test may take to end, in milliseconds. */
const END_LIMIT_MS = 30_000;
export const WORKER = process.env["PINACLE_WORKER"] ?? "pinacle-worker";

/** A migrated database of a test's own, and a role for the app that has what `pinacle-worker grant` gives. */
export class Database {
  readonly #pools: pg.Pool[] = [];

  private constructor(
    readonly name: string,
    readonly role: string,
    /** As its owner, who may do what the worker may. */
    readonly ownerUrl: string,
    /** As the app. */
    readonly appUrl: string,
  ) {}

  static async create(): Promise<Database> {
    const base = process.env["DATABASE_URL"];
    if (!base) throw new Error("DATABASE_URL is not set. Run these tests by: make test-client");
    const name = `pinacle_client_${randomBytes(8).toString("hex")}`;
    const password = randomBytes(16).toString("hex");
    await asAdmin(base, [`CREATE DATABASE ${name}`, `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`]);
    const ownerUrl = withDatabase(base, name);
    const appUrl = new URL(ownerUrl);
    appUrl.username = name;
    appUrl.password = password;
    const database = new Database(name, name, ownerUrl, appUrl.href);
    await database.worker(["migrate"]);
    await database.worker(["grant", database.role]);
    return database;
  }

  /** Runs a command of the worker's, and returns what it prints. */
  async worker(args: readonly string[], settings: Record<string, string> = {}): Promise<string> {
    const env = { ...process.env, ...settings, DATABASE_URL: this.ownerUrl };
    return (await promisify(execFile)(WORKER, args, { env })).stdout;
  }

  /** A pool as the app, or as the owner. */
  pool(options: pg.PoolConfig & { as?: "app" | "owner" } = {}): pg.Pool {
    const { as = "app", ...config } = options;
    const pool = new pg.Pool({ connectionString: as === "app" ? this.appUrl : this.ownerUrl, ...config });
    // A test ends connections.
    pool.on("error", () => {});
    this.#pools.push(pool);
    return pool;
  }

  async drop(): Promise<void> {
    // With nothing else to wait for, the process would end as if all were well.
    const limit = setTimeout(() => {
      throw new Error("a connection was not given back to its pool");
    }, END_LIMIT_MS);
    for (const pool of this.#pools) await pool.end();
    clearTimeout(limit);
    const base = process.env["DATABASE_URL"]!;
    await asAdmin(base, [`DROP DATABASE ${this.name} WITH (FORCE)`, `DROP ROLE ${this.role}`]);
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function asAdmin(url: string, statements: string[]): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    for (const statement of statements) await admin.query(statement);
  } finally {
    await admin.end();
  }
}
