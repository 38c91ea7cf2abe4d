import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = new URL("../../", import.meta.url).pathname;

test("the package, installed in an empty project, compiles and runs what its README shows", async () => {
  const project = await mkdtemp(join(tmpdir(), "pinacle-client-"));
  after(() => rm(project, { recursive: true }));
  const inProject = (program: string, ...args: string[]) => run(program, args, { cwd: project });
  const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", project, "--json"], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  assert.deepEqual(files.filter(({ path }) => !/^(dist\/|package\.json$|README\.md$|LICENSE)/.test(path)), []);

  const versions = (JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { devDependencies: Record<string, string> }).devDependencies;
  const tools = ["pg", "@types/pg", "@types/node", "typescript", "drizzle-orm"].map((name) => `${name}@${versions[name]}`);
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  await inProject("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", `./${filename}`, ...tools);

  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
  assert.ok(blocks.length > 0);
  for (const [number, code] of blocks.entries()) await writeFile(join(project, `block${number}.ts`), code);
  const options = { strict: true, module: "NodeNext", target: "ES2022", types: ["node"], skipLibCheck: true };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options }));
  await inProject("npx", "tsc").catch((error: { stdout: string }) => assert.fail(error.stdout));

  // The one that needs no database.
  const fake = blocks.findIndex((code) => code.includes("createFakeClient"));
  const ran = await inProject("node", `block${fake}.js`);
  assert.equal(ran.stdout, "`npm ci` exited with code 1: no package.json\n");
});
