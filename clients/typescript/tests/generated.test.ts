import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

test("the types are those of the schema and of the worker's PodConfig", async () => {
  // It names what is stale, and how to write it anew.
  await promisify(execFile)(process.execPath, ["scripts/generate.mjs", "--check"]);
});
