import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
/** What an app has already. */
const APP = {
  "lib/pinacle.ts": `import { createClient } from "@pinacle/client";
    import pg from "pg";
    export const client = createClient({ pool: new pg.Pool() });`,
  "lib/session.ts": `export declare function userOf(request: Request): Promise<{ id: string; name: string; isAdmin: boolean } | null>;`,
  "css.d.ts": `declare module "*.css";`,
};
const ROOT = new URL("../../", import.meta.url).pathname;

test("the package, installed in an empty project, compiles and runs what its README shows", async () => {
  const project = await mkdtemp(join(tmpdir(), "pinacle-client-"));
  after(() => rm(project, { recursive: true }));
  const inProject = (program: string, ...args: string[]) => run(program, args, { cwd: project });
  const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", project, "--json"], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  assert.deepEqual(files.filter(({ path }) => !/^(dist\/|package\.json$|README\.md$|LICENSE)/.test(path)), []);

  const versions = (JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { devDependencies: Record<string, string> }).devDependencies;
  const names = ["pg", "@types/pg", "@types/node", "typescript", "drizzle-orm", "react", "@types/react"];
  const tools = [...names, "@xterm/xterm", "@xterm/addon-fit"].map((name) => `${name}@${versions[name]}`);
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  await inProject("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", `./${filename}`, ...tools);

  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
  assert.ok(blocks.length > 0);
  for (const [number, code] of blocks.entries()) await writeFile(join(project, `block${number}.ts`), code);
  // Those of a Next.js app name their file, and what of the app they use.
  const pages = [...readme.matchAll(/^```tsx\n\/\/ (\S+)\n(.*?)^```/gms)];
  assert.ok(pages.length > 0);
  const app = { ...Object.fromEntries(pages.map(([, path, code]) => [path!, code!])), ...APP };
  for (const [path, code] of Object.entries(app)) {
    await mkdir(join(project, dirname(path)), { recursive: true });
    await writeFile(join(project, path), code);
  }
  const compilerOptions = {
    ...{ strict: true, module: "ESNext", moduleResolution: "bundler", target: "ES2022", skipLibCheck: true },
    ...{ types: ["node"], jsx: "react-jsx", lib: ["ES2023", "DOM"], paths: { "@/*": ["./*"] } },
  };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions }));
  await inProject("npx", "tsc").catch((error: { stdout: string }) => assert.fail(error.stdout));

  // The one that needs no database.
  const fake = blocks.findIndex((code) => code.includes("createFakeClient"));
  const ran = await inProject("node", `block${fake}.js`);
  assert.equal(ran.stdout, "`npm ci` exited with code 1: no package.json\n");
});
