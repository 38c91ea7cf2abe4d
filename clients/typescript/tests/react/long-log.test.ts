import assert from "node:assert/strict";
import { after, test } from "node:test";

import type { Terminal } from "@xterm/xterm";
import type { CDPSession } from "playwright-core";

import { MB } from "../support/memory.js";
import { eventually, newPod } from "../support/pods.js";
import { suite } from "../support/suite.js";
import { app } from "./support/app.js";
import { openBrowser, terminalText } from "./support/browser.js";

const parts = await suite();
const server = await app(parts.client);
after(() => server.stop());
const browser = await openBrowser();

const ROWS = 100;
const LINE = "a line as long as a compiler's or a package manager's are, with \x1b[32mcolours\x1b[0m and a path/of/some/file.ts";
const LINES = Math.ceil(MB / LINE.length);
/** A terminal's scrollback, a few outputs of a megabyte on their way, and the page. */
const MOST_HEAP = 120 * MB;

/** Bytes of the page's heap and its buffers after a garbage collection. */
async function heapOf(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
  return usedSize + backingStorageSize;
}

test("100 MB of log: the page shows it to the end, scrolls, and its memory is bounded", async (t) => {
  const { podId } = await newPod(parts.client, parts.owner);
  await parts.owner.query(
    `INSERT INTO pinacle.pod_logs (id, pod_id, command, container_command, stdout, exit_code, duration, timestamp)
     SELECT format('big_%s', n), $1, 'docker exec', format('build part %s', n), repeat($2, $3), 0, 5, now() + n * interval '1 ms'
     FROM generate_series(1, $4::int) n`,
    [podId, `${LINE}\n`, LINES, ROWS],
  );
  const page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  const session = await page.context().newCDPSession(page);
  const began = performance.now();
  await page.goto(`${server.url}/?pod=${podId}`);
  const heaps: number[] = [];
  const pauses: number[] = [];
  await eventually(async () => {
    const asked = performance.now();
    await page.evaluate(() => new Promise(requestAnimationFrame));
    pauses.push(performance.now() - asked);
    heaps.push(await heapOf(session));
    return (await page.evaluate(heads)).includes(`$ build part ${ROWS}`);
  });
  const seconds = (performance.now() - began) / 1_000;
  await page.evaluate(() => new Promise(requestAnimationFrame));
  const highest = Math.max(...heaps, await heapOf(session));
  t.diagnostic(
    `${ROWS} MB in ${seconds.toFixed(1)} s; the heap at most ${Math.round(highest / MB)} MB; ` +
      `the page's longest pause ${Math.round(Math.max(...pauses))} ms`,
  );
  assert.ok(highest < MOST_HEAP, `${highest} bytes`);

  const position = () => page.evaluate(() => (globalThis as { terminal?: Terminal }).terminal!.buffer.active.viewportY);
  const end = await position();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Home");
  await eventually(async () => (await position()) === 0);
  await page.mouse.move(400, 300);
  await page.mouse.wheel(0, 1_000);
  await eventually(async () => (await position()) > 0);
  await page.keyboard.press("End");
  await eventually(async () => (await position()) === end);
  assert.match(await terminalText(page), /done after 5 ms$/);
  await page.close();
});

/** The heads of the commands that the terminal still holds. */
function heads(): string {
  const buffer = (globalThis as { terminal?: Terminal }).terminal?.buffer.active;
  let text = "";
  for (let at = 0; at < (buffer?.length ?? 0); at += 1) {
    const line = buffer!.getLine(at)!.translateToString();
    if (line.startsWith("$ ")) text += line;
  }
  return text;
}
