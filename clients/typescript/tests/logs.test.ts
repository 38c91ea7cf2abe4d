import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, InvalidInput, type LogEvent } from "@pinacle/client";

import { collect, LogWriter, shown, until } from "./support/log.js";
import { suite } from "./support/suite.js";

const parts = await suite();

test("a log is what was run in the pod, in order; with all, what was run on the host, too", async () => {
  const writer = new LogWriter(parts.owner, "pod_order");
  const npm = await writer.begin("npm ci", "📦 Installing");
  await writer.print(npm, "added 3\n", "warning\n");
  await writer.end(npm, 1);
  await writer.end(await writer.begin(null));
  const read = async (all: boolean) => collect(parts.client.logs("pod_order", { all }));
  const events = await read(false);
  assert.equal(shown(events), "$ npm ci\nadded 3\nwarning\n(1)\n");
  assert.ok(events[0]?.type === "command" && events[0].label === "📦 Installing");
  assert.equal(shown(await read(true)), "$ npm ci\nadded 3\nwarning\n(1)\n$ docker exec true\n(0)\n");
});

test("a follower sees output while the command runs, and goes on from any event", async () => {
  const writer = new LogWriter(parts.owner, "pod_follow");
  const abort = new AbortController();
  const seen: LogEvent[] = [];
  const read = (end: string, options = {}) => until(parts.client.logs("pod_follow", { follow: true, ...options }), end, seen);
  const make = await writer.begin("make");
  let reading = read("one ✓\n");
  await writer.print(make, "one ✓\n");
  await reading;
  reading = read("two\n(0)\n$ make test\n", { after: seen.at(-1)!.cursor, signal: abort.signal });
  await writer.print(make, "two\n");
  await writer.end(make);
  const run = await writer.begin("make test");
  await reading;
  assert.equal(shown(seen), "$ make\none ✓\ntwo\n(0)\n$ make test\n");

  await writer.print(run, "fine\n");
  for (const [at, event] of seen.entries()) {
    const rest = await until(parts.client.logs("pod_follow", { after: event.cursor }), "fine\n");
    assert.equal(shown([...seen.slice(0, at + 1), ...rest]), `${shown(seen)}fine\n`, `after event ${at}`);
  }
});

test("nothing is read twice of an output that lost its middle", async () => {
  const writer = new LogWriter(parts.owner, "pod_cut");
  const id = await writer.begin("yes");
  const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `ünï ${from + at}\n`).join("");
  const bytes = (text: string) => Buffer.byteLength(text);
  const cut = (kept: number, to: number, from: number) =>
    `${lines(0, kept)}\n[… ${bytes(lines(kept, from))} bytes cut …]\n${lines(from, to)}`;
  await writer.print(id, lines(0, 500));
  const seen = await until(parts.client.logs("pod_cut"), lines(499, 500));

  await writer.replace(id, cut(100, 600, 400));
  const near = await until(parts.client.logs("pod_cut", { after: seen.at(-1)!.cursor }), lines(599, 600));
  assert.equal(shown(near), lines(500, 600), "it had read beyond the cut");
  const early = await until(parts.client.logs("pod_cut"), lines(599, 600));
  assert.equal(shown(early), `$ yes\n${cut(100, 600, 400)}`);

  await writer.replace(id, cut(100, 900, 800));
  const far = await until(parts.client.logs("pod_cut", { after: near.at(-1)!.cursor }), lines(899, 900));
  assert.match(shown(far), /^\n\[… \d+ bytes cut …\]\nünï 800\n/, "what it had not read is cut out");
  await writer.print(id, lines(900, 901));
  const last = await until(parts.client.logs("pod_cut", { after: far.at(-1)!.cursor }), lines(900, 901));
  assert.equal(shown(last), lines(900, 901));
});

test("a cursor may come from anybody", async () => {
  const forged = ["x", Buffer.from("[1]").toString("base64url"), Buffer.from('["1","a",["b",-1,0]]').toString("base64url")];
  for (const after of forged) await assert.rejects(collect(parts.client.logs("pod_order", { after })), InvalidInput);
  // It names a row of another pod.
  const writer = new LogWriter(parts.owner, "pod_other");
  const secret = await writer.begin("cat secret");
  await writer.print(secret, "secret");
  const after = Buffer.from(JSON.stringify(["1", "a", [secret, 0, 0]])).toString("base64url");
  assert.doesNotMatch(shown(await collect(parts.client.logs("pod_order", { after }))), /secret/);
});

test("nothing is lost or doubled when the database's connections are ended", async () => {
  const writer = new LogWriter(parts.owner, "pod_cuts");
  const abort = new AbortController();
  const seen: LogEvent[] = [];
  const reading = until(parts.client.logs("pod_cuts", { follow: true, signal: abort.signal }), "line 39\n(0)\n", seen);
  const id = await writer.begin("count");
  for (let line = 0; line < 40; line += 1) {
    if (line % 10 === 5) {
      const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
      await parts.owner.query(kill, [parts.database.role]);
    }
    await writer.print(id, `line ${line}\n`);
  }
  await writer.end(id);
  await reading;
  assert.equal(shown(seen), `$ count\n${Array.from({ length: 40 }, (_, line) => `line ${line}\n`).join("")}(0)\n`);
});

test("a thousand followers cost one listening connection, and one read at a time", async () => {
  const writer = new LogWriter(parts.owner, "pod_thousand");
  const followers = Array.from({ length: 1000 }, () => until(parts.client.logs("pod_thousand", { follow: true }), "(0)\n"));
  const id = await writer.begin("count");
  for (let line = 0; line < 100; line += 1) await writer.print(id, `line ${line}\n`);
  const listening = await parts.owner.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1 AND query LIKE 'SELECT now()%' AND state = 'idle'",
    [parts.database.role],
  );
  assert.deepEqual(listening.rows, [{ n: 1 }]);
  await writer.end(id);
  const whole = `$ count\n${Array.from({ length: 100 }, (_, line) => `line ${line}\n`).join("")}(0)\n`;
  for (const events of await Promise.all(followers)) assert.equal(shown(events), whole);
});

test("who goes frees the connection", async () => {
  const abort = new AbortController();
  const reading = collect(parts.client.logs("pod_gone", { follow: true, signal: abort.signal }));
  const listening = async () => parts.app.totalCount - parts.app.idleCount;
  while ((await listening()) === 0) await new Promise(setImmediate);
  abort.abort();
  assert.deepEqual(await reading, []);
  while ((await listening()) > 0) await new Promise(setImmediate);
});

test("a pool of one connection, which would wait for itself, is refused", async () => {
  const client = createClient({ pool: parts.database.pool({ max: 1 }) });
  await assert.rejects(collect(client.logs("pod_order", { follow: true })), InvalidInput);
  assert.ok((await collect(client.logs("pod_order"))).length > 0);
});
