import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { createClient, InvalidInput } from "@pinacle/client";

import { suite } from "./support/suite.js";

const parts = await suite();

test("a secret is sealed before it leaves the app, and the worker opens it", async () => {
  const { database, app, owner } = parts;
  const key = randomBytes(32).toString("base64");
  const worker = (...args: string[]) => database.worker(args, { SECRETS_KEY: key });
  const client = createClient({ pool: app, secretsKey: await worker("secrets", "public-key") });
  const value = "hunter2 ✓ ".repeat(1000);
  const env = { PASSWORD: value, EMPTY: "" };
  const { podId } = await client.pods.create({ name: "S", slug: "sealed", secrets: { env, deployKey: "a key\n" } });
  await client.secrets.put({ podId, kind: "env", name: "EMPTY" }, "changed");
  const stored = async () => (await owner.query("SELECT value FROM pinacle.pod_secrets")).rows.map(({ value }) => value);
  for (const value of await stored()) assert.match(value, /^hpke:v1:[0-9a-f]{16}:[A-Za-z0-9+/]+=*$/);

  // Rotating opens every value, and says which it can't.
  const { sealed, already, failed } = JSON.parse(await worker("secrets", "rotate", "--json"));
  assert.deepEqual({ sealed, already, failed }, { sealed: 0, already: 3, failed: [] });

  // What is sealed for one place opens in no other.
  await owner.query("UPDATE pinacle.pod_secrets SET name = 'MOVED' WHERE name = 'PASSWORD'");
  await assert.rejects(worker("secrets", "rotate", "--json"), ({ stdout }: { stdout: string }) => {
    assert.match(stdout, /MOVED/);
    return true;
  });
});

test("what is not a public key is refused where the client is made", () => {
  assert.throws(() => createClient({ pool: parts.app, secretsKey: "hpke:v1:abc" }), InvalidInput);
});
