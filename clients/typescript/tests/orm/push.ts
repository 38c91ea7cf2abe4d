import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";

interface Engine {
  schemaPush(input: { force: boolean; schema: object; filters: object }): Promise<unknown>;
}
interface Glue {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
  SchemaEngine: { new: (options: object, log: () => void, adapter: object) => Promise<Engine> };
}

// Does what `prisma db push` does, by Prisma's own engine compiled to WebAssembly: the program would be fetched from Prisma's
// host. Its argument is the database's URL.
const SCHEMA = new URL("../../../tests/orm/schema.prisma", import.meta.url);

// The engine reads columns of the catalog whose type is "char", which Prisma's own adapter does not know.
class Adapter extends PrismaPg {
  constructor(url: string) {
    super({ connectionString: url });
  }

  override async connect(): ReturnType<PrismaPg["connect"]> {
    const connection = await super.connect();
    const queryRaw = connection.queryRaw.bind(connection);
    connection.queryRaw = (query) => queryRaw({ ...query, sql: withoutChars(query.sql) });
    return connection;
  }
}

function withoutChars(sql: string): string {
  return sql
    .replace("constr.contype AS", "constr.contype::text AS")
    .replace(/ con\.(confdeltype|confupdtype),/g, " con.$1::text AS $1,");
}

// Node.js 20 can't import a .wasm file.
async function load(): Promise<Glue> {
  const file = createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm/schema_engine_bg");
  const glue = (await import(file)) as Glue;
  const imports = { "./schema_engine_bg.js": glue as unknown as WebAssembly.ModuleImports };
  const { instance } = await WebAssembly.instantiate(await readFile(file.replace(/js$/, "wasm")), imports);
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
  return glue;
}

const { SchemaEngine } = await load();
const files = [{ path: SCHEMA.pathname, content: await readFile(SCHEMA, "utf8") }];
const datamodels = files.map(({ path, content }) => [path, content]);
const adapter = bindMigrationAwareSqlAdapterFactory(new Adapter(process.argv[2]!));
const engine = await SchemaEngine.new({ datamodels }, () => {}, adapter);
await engine.schemaPush({ force: true, schema: { files }, filters: { externalTables: [], externalEnums: [] } });
// The engine's timers would keep it for another minute.
process.exit();
