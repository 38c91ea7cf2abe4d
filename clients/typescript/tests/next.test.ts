import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";

import type { LogEvent } from "@pinacle/client";
import { podRoute } from "@pinacle/client/next";

import { LogWriter, shown } from "./support/log.js";
import { MB, memoryInUse } from "./support/memory.js";
import { eventually, newPod } from "./support/pods.js";
import { suite } from "./support/suite.js";
import { WebServer } from "./support/web.js";

const parts = await suite();
const { client, owner } = parts;
const GET = podRoute({ client, authorize: (request) => request.headers.get("cookie") === "user=ada" });
const server = new WebServer((request) => {
  const podId = /^\/pods\/([^/]*)\/stream$/.exec(new URL(request.url).pathname)?.[1];
  return podId === undefined ? undefined : GET(request, { params: Promise.resolve({ podId: decodeURIComponent(podId) }) });
});
await server.start();
after(() => server.stop());

const ADA = { cookie: "user=ada" };
const open = (podId: string, headers: Record<string, string> = ADA, query = "", signal?: AbortSignal) =>
  fetch(`${server.url}/pods/${podId}/stream${query}`, { headers, ...(signal && { signal }) });

async function* textOf(response: Response): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) yield decoder.decode(chunk as Uint8Array, { stream: true });
}

/** Reads a stream until it has told all of this, and leaves. */
async function readUntil(response: Response, ...told: string[]): Promise<string> {
  let text = "";
  for await (const part of textOf(response)) {
    text += part;
    if (told.every((one) => text.includes(one))) break;
  }
  return text;
}

/** As {@link readUntil}, but holds no more than an event: a thousand of them are not to be what the memory is full of. */
async function digestUntil(response: Response, end: string): Promise<string> {
  const digest = createHash("sha256");
  let rest = "";
  for await (const part of textOf(response)) {
    const frames = (rest + part).split("\n\n");
    rest = frames.pop()!;
    for (const frame of frames) digest.update(shown(logOf(frame)));
    if (frames.some((frame) => frame.includes(end))) break;
  }
  return digest.digest("hex");
}

function logOf(text: string): LogEvent[] {
  return [...text.matchAll(/^event: log\nid: \S+\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as LogEvent);
}

const listening = async () => {
  const text = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = $1 AND query LIKE 'SELECT now()%'";
  return (await owner.query<{ n: number }>(text, [parts.database.role])).rows[0]!.n;
};

test("who may not see the pod gets 403, and not a byte of the log", async () => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  await writer.print(await writer.begin("cat"), "a secret\n");
  for (const forged of [{}, { cookie: "user=eve" }, { "last-event-id": "", "x-user": "ada" }]) {
    const response = await open(podId, forged as Record<string, string>, "?all=1&after=");
    assert.equal(response.status, 403);
    assert.deepEqual(await response.json(), { error: "You may not see this pod." });
  }
  assert.equal(await listening(), 0, "nothing was followed");
});

test("a pod that is missing, and a cursor that nobody gave out, are said to be", async () => {
  for (const podId of ["pod_none", "", "%00"]) assert.ok([400, 404].includes((await open(podId)).status), podId);
  const { podId } = await newPod(client, owner);
  for (const response of [await open(podId, { ...ADA, "last-event-id": "x" }), await open(podId, ADA, "?after=x")]) {
    assert.equal(response.status, 400);
    assert.match(((await response.json()) as { error: string }).error, /not one of this pod's/);
  }
});

test("a stream begins with the pod's state and goes on from any event of the log", async () => {
  const { podId, jobId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  const make = await writer.begin("make", "🔨 Making");
  await writer.print(make, "one ✓\n");
  const response = await open(podId);
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal(response.headers.get("cache-control"), "no-cache, no-transform");
  const first = await readUntil(response, "one ✓", '"queued"');
  assert.match(first, new RegExp(`event: pod\ndata: {"podId":"${podId}","jobId":null,.*"pending"`));
  assert.match(first, new RegExp(`event: pod\ndata: {"podId":"${podId}","jobId":"${jobId}","kind":"create","status":"queued"`));

  await writer.print(make, "two\n");
  await writer.end(make, 2);
  const id = [...first.matchAll(/^id: (\S+)$/gm)].at(-1)![1]!;
  for (const rest of [await open(podId, { ...ADA, "last-event-id": id }), await open(podId, ADA, `?after=${id}`)]) {
    assert.equal(shown(logOf(await readUntil(rest, '"exitCode":2'))), "two\n(2)\n");
  }
  const without = await open(podId, ADA, "?log=0");
  assert.deepEqual(logOf(await readUntil(without, '"create"')), []);
});

test("what was run on the host is told only where the app lets it", async () => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  await writer.end(await writer.begin(null));
  await writer.end(await writer.begin("ls"));
  assert.equal(shown(logOf(await readUntil(await open(podId, ADA, "?all=1"), '"exitCode"'))), "$ ls\n(0)\n");
  const staff = podRoute({ client, authorize: () => true, all: true });
  const response = await staff(new Request(`${server.url}/?all=1`), { params: Promise.resolve({ podId }) });
  assert.match(await readUntil(response, '"ls"'), /docker exec true/);
});

test("a browser that goes frees the connection that listens, also where it did not read", async () => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  const id = await writer.begin("yes");
  for (let row = 0; row < 20; row += 1) await writer.print(id, "y\n".repeat(50_000));
  const gone = new AbortController();
  const reader = (await open(podId, ADA, "", gone.signal)).body!.getReader();
  await reader.read();
  const idle = await open(podId, ADA, "", gone.signal);
  assert.equal(idle.status, 200);
  await eventually(async () => (await listening()) === 1);
  gone.abort();
  await assert.rejects(async () => {
    for (;;) await reader.read();
  });
  await eventually(async () => (await listening()) === 0);
  await eventually(() => parts.app.totalCount === parts.app.idleCount);
});

test("a thousand followers over HTTP cost one listening connection and flat memory, and all get all", async (t) => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  const lines = Array.from({ length: 150 }, (_, line) => `line ${line}\n`);
  const digests: Promise<string>[] = [];
  // As many at once as a server keeps waiting.
  for (let batch = 0; batch < 10; batch += 1) {
    const responses = await Promise.all(Array.from({ length: 100 }, () => open(podId)));
    digests.push(...responses.map((response) => digestUntil(response, '"exitCode":0')));
  }
  const id = await writer.begin("count");
  const memory: number[] = [];
  for (const [at, line] of lines.entries()) {
    await writer.print(id, line);
    if (at % 50 === 49) memory.push(memoryInUse());
    if (at === 75) assert.equal(await listening(), 1);
  }
  await writer.end(id);
  const whole = createHash("sha256").update(`$ count\n${lines.join("")}(0)\n`).digest("hex");
  for (const digest of await Promise.all(digests)) assert.equal(digest, whole);
  t.diagnostic(`in use after each fifty lines: ${memory.map((bytes) => `${Math.round(bytes / MB)} MB`).join(", ")}`);
  assert.ok(memory.at(-1)! - memory[0]! < 40 * MB, "it grows with what was sent");
});
