import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";

import type { Page } from "playwright-core";

import { LogWriter } from "../support/log.js";
import { eventually, newPod } from "../support/pods.js";
import { suite } from "../support/suite.js";
import { app } from "./support/app.js";
import { openBrowser, picture, screenColour, terminalText } from "./support/browser.js";

const parts = await suite();
const { client, owner } = parts;
const server = await app(client);
after(() => server.stop());
const browser = await openBrowser();

async function openPod(t: TestContext, podId: string): Promise<Page> {
  const page = await browser.newPage();
  t.after(() => page.close());
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(`${server.url}/?pod=${podId}`);
  return page;
}

const shows = (page: Page, text: string) => eventually(async () => (await terminalText(page)).includes(text));
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `line ${from + at}`);

test("a failed command shows its errors and its exit code in red", async (t) => {
  const { podId, setPod, setJob } = await newPod(client, owner);
  await setPod("status = 'provisioning'");
  await setJob("status = 'running', lease = 1, step = 'install', steps_done = 9, steps_total = 17");
  const writer = new LogWriter(owner, podId);
  const clone = await writer.begin("git clone https://example.com/app", "📦 Cloning repository");
  await writer.print(clone, "Receiving objects:  10%\rReceiving objects: 100%\n\x1b[32mdone\x1b[0m\n");
  await writer.end(clone);
  const page = await openPod(t, podId);
  await shows(page, "done after");
  const install = await writer.begin("npm ci", "📦 Installing");
  await writer.print(install, "\x1b[1mnpm", " error no package.json");
  await writer.end(install, 3);
  await shows(page, "exit code 3");
  assert.equal(
    await terminalText(page),
    [
      ...["📦 Cloning repository", "$ git clone https://example.com/app", "Receiving objects: 100%", "done", "done after 5 ms"],
      ...["", "📦 Installing", "$ npm ci", "npm error no package.json", "exit code 3 after 5 ms"],
    ].join("\n"),
  );
  for (const text of ["error no package.json", "exit code 3"]) {
    const red = await screenColour(page, text);
    assert.ok(red.r > red.g + 80 && red.r > red.b + 80, `${text}: ${JSON.stringify(red)}`);
  }
  const plain = await screenColour(page, "npm ci");
  assert.ok(Math.abs(plain.r - plain.g) < 30, JSON.stringify(plain));
  await setJob("status = 'failed', finished_at = now(), last_error = 'no'");
  await page.getByText("Creating failed at: install").waitFor();
  await picture(page, "failed");
});

test("the progress moves by itself, and says so to a screen reader", async (t) => {
  const { podId, setPod, setJob } = await newPod(client, owner);
  const page = await openPod(t, podId);
  await page.getByText("Creating: waiting for its turn").waitFor();
  await setPod("status = 'provisioning'");
  await setJob("status = 'running', lease = 1, step = 'image', steps_done = 3, steps_total = 17");
  const bar = page.getByRole("progressbar", { name: "Creating the pod" });
  await bar.waitFor();
  await page.getByText("Creating: image (4 of 17)").waitFor();
  assert.equal(await bar.getAttribute("aria-valuenow"), "3");
  await picture(page, "progress");
  await setPod("status = 'running'");
  await setJob("status = 'succeeded', steps_done = 17, finished_at = now()");
  await page.getByText("The pod is running").waitFor();
  assert.equal(await page.locator(".pinacle-progress-text").getAttribute("aria-live"), "polite");
});

test("the text is whole and in order, nothing twice, whatever is cut in the middle", async (t) => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  const id = await writer.begin("count");
  const page = await openPod(t, podId);
  const cuts: Record<number, () => Promise<unknown>> = {
    20: async () => server.cut(),
    40: () => server.stop().then(() => server.start()),
    60: () => owner.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [parts.database.role]),
    80: () => page.reload(),
    100: async () => server.cut(),
  };
  for (let line = 0; line < 120; line += 1) {
    if (line in cuts) await shows(page, `line ${line - 1}`);
    // It prints on while the connection is away.
    const cut = cuts[line]?.();
    await writer.print(id, `line ${line}\n`);
    await cut;
  }
  await writer.end(id);
  await shows(page, "done after");
  assert.equal(await terminalText(page), ["$ count", ...numbered(0, 120), "done after 5 ms"].join("\n"));
});

test("output is on the screen within 300 ms", async (t) => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  const id = await writer.begin("watch");
  const page = await openPod(t, podId);
  await shows(page, "$ watch");
  const delays: number[] = [];
  for (let line = 0; line < 40; line += 1) {
    const began = performance.now();
    const seen = page.waitForFunction((text) => document.querySelector(".xterm-rows")?.textContent?.includes(text), `number ${line};`, {
      polling: "raf",
    });
    await writer.print(id, `number ${line};\n`);
    await seen;
    delays.push(performance.now() - began);
  }
  delays.sort((a, b) => a - b);
  const p95 = delays[Math.ceil(delays.length * 0.95) - 1]!;
  t.diagnostic(`from the insert to the screen: p50 ${Math.round(delays[20]!)} ms, p95 ${Math.round(p95)} ms`);
  assert.ok(p95 <= 300);
});

test("a page that may not see the pod says so, and asks no more", async (t) => {
  const page = await openPod(t, "foreign_pod");
  await page.getByText("You may not see this log").waitFor();
  let requests = 0;
  page.on("request", () => (requests += 1));
  await page.waitForTimeout(1_000);
  assert.equal(requests, 0);
});

test("the components of a page share one connection, and give it back when they go", async () => {
  const { podId } = await newPod(client, owner);
  const page = await browser.newPage();
  const streams: string[] = [];
  page.on("request", (request) => void (request.url().includes("/stream") && streams.push(request.url())));
  await page.goto(`${server.url}/?pod=${podId}`);
  await page.getByText("waiting for its turn").waitFor();
  const writer = new LogWriter(owner, podId);
  await writer.begin("ls");
  await shows(page, "$ ls");
  // The second asks for the log, which the first did before there was a terminal.
  assert.deepEqual(streams.map((url) => new URL(url).search), ["?log=0", ""]);
  const busy = () => parts.app.totalCount - parts.app.idleCount;
  assert.equal(busy(), 1);
  await page.close();
  await eventually(() => busy() === 0);
});

test("the keyboard scrolls the terminal, and leaves it", async (t) => {
  const { podId } = await newPod(client, owner);
  const writer = new LogWriter(owner, podId);
  const id = await writer.begin("seq 500");
  await writer.print(id, numbered(0, 500).join("\n"));
  const page = await openPod(t, podId);
  const rows = page.locator(".xterm-rows");
  await eventually(async () => (await rows.textContent())!.includes("line 499"));
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.className), "xterm-helper-textarea");
  await page.keyboard.press("Home");
  await eventually(async () => (await rows.textContent())!.includes("$ seq 500"));
  await page.keyboard.press("End");
  await eventually(async () => (await rows.textContent())!.includes("line 499"));
  await page.keyboard.press("Tab");
  assert.notEqual(await page.evaluate(() => document.activeElement?.className), "xterm-helper-textarea");
});
