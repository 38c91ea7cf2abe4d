// Writes src/generated from the migrated schema and from `pinacle-worker schema`; with --check, only says what is stale.
// It makes a database of its own on the server of DATABASE_URL. PINACLE_WORKER is the program.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";
import pg from "pg";

const folder = new URL("../src/generated/", import.meta.url);
const HEAD = "// Written by `npm run generate`; a change belongs in the migrations or in the worker's PodConfig.\n";

// What of the schema the outside may rely on. A column that is named nowhere here fails the check: it is either a part
// of the contract or the worker's own.
const TABLES = {
  servers: {
    type: "Server",
    columns: `id name connection ssh_host ssh_port ssh_user ssh_host_key bind_address domain status cpu_cores memory_mb
      disk_gb live_pods reserved_cpu_cores reserved_memory_mb reserved_disk_gb last_heartbeat_at created_at updated_at`,
    internal: "",
  },
  pods: {
    type: "Pod",
    columns: `id name slug owner_id config server_id status container_id internal_ip public_url proxy_port last_error up
      last_started_at last_stopped_at destroyed_at created_at updated_at`,
    internal: "lease failed_job_id cpu_cores memory_mb disk_gb container_started_at",
  },
  pod_jobs: {
    type: "Job",
    columns: `id pod_id kind payload status priority run_at attempt max_attempts step steps_done steps_total last_error
      requested_by created_at started_at finished_at`,
    internal: `position lease worker heartbeat_at deadline_at cancel_requested_at cancel_reason slot_owner slot_server
      held_by notice`,
  },
  pod_job_steps: {
    type: "JobStep",
    columns: "job_id position name status attempt started_at finished_at error",
    internal: "",
  },
  pod_logs: {
    type: "LogRow",
    columns: `id pod_id timestamp command container_command stdout stderr exit_code duration label job_id created_at`,
    internal: "",
  },
  pod_secrets: { type: "Secret", columns: "pod_id kind name created_at", internal: "value" },
};

const TYPES = {
  text: { ts: "string", drizzle: "text" },
  int4: { ts: "number", drizzle: "integer" },
  float4: { ts: "number", drizzle: "real" },
  bool: { ts: "boolean", drizzle: "boolean" },
  jsonb: { ts: "unknown", drizzle: "jsonb" },
  timestamptz: { ts: "Date", drizzle: "timestamp", options: "{ withTimezone: true }" },
  // Sums of small numbers, which fit into a double.
  int8: { ts: "number", drizzle: "bigint", options: '{ mode: "number" }', cast: "float8" },
  numeric: { ts: "number", drizzle: "numeric", options: '{ mode: "number" }', cast: "float8" },
};

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const words = (text) => text.split(/\s+/).filter(Boolean);

async function introspect(db) {
  const { rows } = await db.query(
    `SELECT c.table_name, c.column_name, c.udt_name, c.is_nullable = 'YES' AS nullable,
            (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
             WHERE k.conrelid = format('%I.%I', c.table_schema, c.table_name)::regclass AND k.contype = 'c'
               AND k.conname = c.table_name || '_' || c.column_name || '_is_known') AS known
     FROM information_schema.columns c WHERE c.table_schema = 'pinacle' ORDER BY c.ordinal_position`,
  );
  const tables = [];
  for (const [name, { type, columns, internal }] of Object.entries(TABLES)) {
    const found = new Map(rows.filter((row) => row.table_name === name).map((row) => [row.column_name, row]));
    const told = [...words(columns), ...words(internal)];
    const wrong = [...told.filter((column) => !found.has(column)), ...[...found.keys()].filter((c) => !told.includes(c))];
    if (wrong.length > 0) {
      throw new Error(`TABLES in scripts/generate.mjs and the schema differ in ${wrong.map((c) => `${name}.${c}`).join(", ")}`);
    }
    tables.push({ name, type, columns: words(columns).map((column) => describe(type, found.get(column))) });
  }
  return tables;
}

function describe(type, row) {
  const known = row.known && [...row.known.matchAll(/'([^']*)'::text/g)].map(([, value]) => value);
  const field = camel(row.column_name);
  const union = known && `${type}${field[0].toUpperCase()}${field.slice(1)}`;
  const kind = TYPES[row.udt_name];
  if (!kind) throw new Error(`TYPES in scripts/generate.mjs has no ${row.udt_name}, the type of ${row.column_name}`);
  return { ...row, field, kind, known, union };
}

function types(tables) {
  const unions = tables
    .flatMap(({ columns }) => columns.filter((column) => column.known))
    .map(({ union, known }) => `export type ${union} = ${known.map((value) => JSON.stringify(value)).join(" | ")};\n`);
  const bodies = tables.map(({ name, type, columns }) => {
    const fields = columns.map(
      ({ field, kind, union, nullable }) => `  ${field}: ${union ?? kind.ts}${nullable ? " | null" : ""};\n`,
    );
    const list = columns.map(
      ({ column_name, field, kind }) =>
        `${column_name}${kind.cast ? `::${kind.cast}` : ""}${kind.cast || column_name !== field ? ` AS "${field}"` : ""}`,
    );
    return (
      `/** A row of \`pinacle.${name}\`. */\nexport interface ${type} {\n${fields.join("")}}\n\n` +
      `/** The columns of a {@link ${type}}, for a SELECT. */\n` +
      `export const ${name.toUpperCase()}_COLUMNS =\n  ${JSON.stringify(list.join(", ")).replaceAll('\\"', '"').replace(/^"|"$/g, "`")};\n`
    );
  });
  return `${HEAD}\n${unions.join("")}\n${bodies.join("\n")}`;
}

// Views, so that they can only be read: Drizzle's insert names every column, which the app's role may not. Existing ones,
// so that drizzle-kit leaves them alone.
function drizzle(tables) {
  const used = new Set(["pgSchema"]);
  const bodies = tables.map(({ name, columns }) => {
    const fields = columns.map(({ column_name, field, kind, union, nullable }) => {
      used.add(kind.drizzle);
      const call = `${kind.drizzle}("${column_name}"${kind.options ? `, ${kind.options}` : ""})`;
      return `    ${field}: ${call}${union ? `.$type<${union}>()` : ""}${nullable ? "" : ".notNull()"},\n`;
    });
    return `export const ${camel(name)} = pinacle\n  .view("${name}", {\n${fields.join("")}  })\n  .existing();\n`;
  });
  const unions = tables.flatMap(({ columns }) => columns.filter((column) => column.union).map(({ union }) => union));
  return (
    `${HEAD}import { ${[...used].sort().join(", ")} } from "drizzle-orm/pg-core";\n\n` +
    `import type { ${unions.join(", ")} } from "./schema.js";\n\n` +
    `const pinacle = pgSchema("pinacle");\n\n${bodies.join("\n")}`
  );
}

function worker(args, url) {
  const env = { ...process.env, DATABASE_URL: url };
  return execFileSync(process.env.PINACLE_WORKER ?? "pinacle-worker", args, { encoding: "utf8", env });
}

async function connected(url, work) {
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  try {
    return await work(db);
  } finally {
    await db.end();
  }
}

async function migratedTables() {
  const name = `pinacle_types_${randomBytes(8).toString("hex")}`;
  return connected(process.env.DATABASE_URL, async (admin) => {
    await admin.query(`CREATE DATABASE ${name}`);
    try {
      const url = new URL(process.env.DATABASE_URL);
      url.pathname = `/${name}`;
      worker(["migrate"], url.href);
      return await connected(url.href, introspect);
    } finally {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
}

async function files() {
  const tables = await migratedTables();
  const schema = JSON.parse(worker(["schema"], process.env.DATABASE_URL));
  return {
    "schema.ts": types(tables),
    "drizzle.ts": drizzle(tables),
    "pod-config.ts": await compile(schema, "PodConfig", { bannerComment: HEAD.trim(), style: { printWidth: 120 } }),
    "pod-config.schema.json": `${JSON.stringify(schema, null, 2)}\n`,
  };
}

const check = process.argv.includes("--check");
let stale = 0;
for (const [name, text] of Object.entries(await files())) {
  const file = new URL(name, folder);
  let old = "";
  try {
    old = readFileSync(file, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (old === text) continue;
  if (check) {
    stale += 1;
    console.error(`clients/typescript/src/generated/${name} is stale. Write it anew by: make client-types`);
  } else {
    writeFileSync(file, text);
  }
}
process.exitCode = stale ? 1 : 0;
