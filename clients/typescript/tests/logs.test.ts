import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, InvalidInput, type LogEvent, TimedOut } from "@pinacle/client";

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
  const forge = (...cursor: unknown[]) => Buffer.from(JSON.stringify(cursor)).toString("base64url");
  const row: [string, number, number] = ["row", 0, 0];
  const forged = [
    "x",
    forge(1),
    forge("pod_order", "1", "a", ["row", -1, 0]),
    forge("pod_order", "1", "a", row, row),
    forge("pod_order", "1", "a", ...Array.from({ length: 40 }, (_, at) => [`row${at}`, 0, 0])),
    forge("pod_order", "1", "a".repeat(100_000)),
    forge("pod_other", "1", "a"),
  ];
  for (const after of forged) await assert.rejects(collect(parts.client.logs("pod_order", { after })), InvalidInput);
  // It names a row of another pod.
  const writer = new LogWriter(parts.owner, "pod_other");
  const secret = await writer.begin("cat secret");
  await writer.print(secret, "secret");
  const after = forge("pod_order", "1", "a", [secret, 0, 0]);
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

test("who goes frees the connection: by the signal, and by `return` while he waits", async () => {
  const pool = parts.database.pool();
  const client = createClient({ pool });
  const busy = () => pool.totalCount - pool.idleCount;
  const abort = new AbortController();
  const reading = collect(client.logs("pod_gone", { follow: true, signal: abort.signal }));
  const log = client.logs("pod_gone", { follow: true });
  const waiting = log.next();
  while (busy() === 0) await new Promise(setImmediate);
  abort.abort();
  assert.deepEqual(await reading, []);
  assert.deepEqual(await log.return!(), { done: true, value: undefined });
  assert.deepEqual(await waiting, { done: true, value: undefined });
  while (busy() > 0) await new Promise(setImmediate);
});

test("a reader who is woken does not join a read that has looked before", async () => {
  const writer = new LogWriter(parts.owner, "pod_shared");
  await writer.end(await writer.begin("first"));
  let hold: Promise<void> | undefined;
  const pool = parts.database.pool();
  const slow = {
    options: pool.options,
    connect: () => pool.connect(),
    // It has looked, and the answer is slow.
    query: async (text: string, values: unknown[]) => {
      const result = await pool.query(text, values);
      await hold;
      return result;
    },
  };
  const client = createClient({ pool: slow });
  const [{ cursor }] = (await collect(client.logs("pod_shared"))).slice(-1) as [LogEvent];
  let release = () => {};
  hold = new Promise((resolve) => (release = resolve));
  const early = until(client.logs("pod_shared", { follow: true, after: cursor }), "$ second\n");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await writer.begin("second");
  const late = until(client.logs("pod_shared", { follow: true, after: cursor }), "$ second\n");
  await new Promise((resolve) => setTimeout(resolve, 100));
  hold = undefined;
  release();
  for (const events of await Promise.all([early, late])) assert.equal(shown(events), "$ second\n");
});

test("a signal ends a read that waits for a lock", async () => {
  const locker = await parts.owner.connect();
  await locker.query("BEGIN; LOCK pinacle.pod_logs, pinacle.pod_jobs IN ACCESS EXCLUSIVE MODE");
  const abort = new AbortController();
  const reading = collect(parts.client.logs("pod_order", { follow: true, signal: abort.signal }));
  const waiting = parts.client.jobs.wait("job_none", { timeoutMs: 50 });
  await assert.rejects(waiting, TimedOut);
  abort.abort();
  assert.deepEqual(await reading, []);
  await locker.query("ROLLBACK");
  locker.release();
});

test("two clients of one small pool share its listening connection", async () => {
  const writer = new LogWriter(parts.owner, "pod_small");
  const pool = parts.database.pool({ max: 2 });
  const follow = () => until(createClient({ pool }).logs("pod_small", { follow: true }), "$ x\n");
  const both = [follow(), follow()];
  await writer.begin("x");
  await Promise.all(both);
});

test("what does not go by itself ends a follower with its reason", async () => {
  const url = new URL(parts.database.appUrl);
  url.password = "wrong";
  const pool = parts.database.pool({ connectionString: url.href });
  await assert.rejects(createClient({ pool }).events("pod_order").next(), { code: "28P01" });
});

test("a log of many rows, and of large ones, is read in portions", async () => {
  await parts.owner.query(
    `INSERT INTO pinacle.pod_logs (pod_id, timestamp, command, container_command, stdout, exit_code, duration)
     SELECT 'pod_many', now() + n * interval '1 ms', 'x', 'x', CASE WHEN n % 100 = 0 THEN repeat('é', 500000) ELSE n::text END, 0, 1
     FROM generate_series(1, 1200) n`,
  );
  const events = await collect(parts.client.logs("pod_many"));
  assert.equal(events.filter(({ type }) => type === "end").length, 1200);
  const bytes = events.reduce((sum, event) => sum + (event.type === "output" ? Buffer.byteLength(event.stdout) : 0), 0);
  assert.equal(bytes, 12 * 1_000_000 + Array.from({ length: 1200 }, (_, n) => n + 1).filter((n) => n % 100).join("").length);
});

test("a pool of one connection, which would wait for itself, is refused", async () => {
  const client = createClient({ pool: parts.database.pool({ max: 1 }) });
  await assert.rejects(collect(client.logs("pod_order", { follow: true })), InvalidInput);
  assert.ok((await collect(client.logs("pod_order"))).length > 0);
});
