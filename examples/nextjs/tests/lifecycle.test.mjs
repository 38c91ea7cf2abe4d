import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openBrowser, screenshot } from "./support/app.mjs";
import { keepTimes, latencies } from "./support/latency.mjs";
import { becomes, createPod, destroy, JOB_MS, newName } from "./support/pods.mjs";

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser.close());

const PAGE = "<h1>Hello from a pod</h1>";
const LINES = 60;
// Each line is the moment at which it was printed.
const INSTALL = `echo '${PAGE}' > index.html; for i in $(seq ${LINES}); do date +%s%3N; sleep 0.2; done`;

test("a pod is created, watched, opened, stopped, started and destroyed", async () => {
  const page = await browser.pageOf("Ada");
  await look(page);
  const name = newName("Blog");
  await createPod(page, { name, install: INSTALL, start: "busybox httpd -f -p 3000" });

  // Nothing from here on reloads the page: it moves by itself.
  await page.evaluate(() => (window.isSamePage = true));
  await keepTimes(page);
  await progressMoves(page);
  await page.locator(".xterm-rows").getByText(/\d{13}/).first().waitFor({ timeout: JOB_MS });
  await screenshot(page, "installing");
  await becomes(page, "running");

  const { p50, p95, most, count } = await latencies(page);
  console.log(`output to screen over ${count} lines: median ${p50} ms, p95 ${p95} ms, most ${most} ms`);
  assert.equal(count, LINES);
  assert.ok(p95 <= 300, `p95 is ${p95} ms`);
  await screenshot(page, "running");
  assert.equal(await podsPage(page), PAGE);
  await editorOpens(page);

  await page.getByRole("button", { name: "Stop" }).click();
  await becomes(page, "stopped");
  await page.getByRole("button", { name: "Start" }).waitFor();
  await page.getByRole("link", { name: "Open page" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Start" }).click();
  await becomes(page, "running");
  assert.equal(await podsPage(page), PAGE);
  assert.equal(await page.evaluate(() => window.isSamePage), true);

  await destroy(page);
  await page.getByRole("link", { name: "My pods" }).click();
  await page.getByRole("heading", { name: "My pods" }).waitFor();
  assert.equal(await page.getByRole("link", { name }).count(), 0);
});

/** The empty list and the form, as a person first sees them. */
async function look(page) {
  await screenshot(page, "list-empty");
  await page.goto("/pods/new");
  await screenshot(page, "new-pod");
}

/** Waits until the bar has been at four places. */
async function progressMoves(page) {
  const places = () => {
    const bar = document.querySelector("[role=progressbar]");
    if (bar) window.seen = (window.seen ?? new Set()).add(bar.ariaValueNow);
    return window.seen?.size >= 4;
  };
  await page.waitForFunction(places, null, { polling: 50, timeout: JOB_MS });
}

/** What the pod itself serves, opened by the link. */
async function podsPage(page) {
  const opened = await open(page, "Open page");
  await opened.getByRole("heading").waitFor();
  const html = await opened.locator("body").innerHTML();
  await opened.close();
  return html.trim();
}

/** The tab that a link opens. */
async function open(page, name) {
  const [opened] = await Promise.all([page.waitForEvent("popup"), page.getByRole("link", { name }).click()]);
  return opened;
}

async function editorOpens(page) {
  const editor = await open(page, "Editor");
  await editor.locator(".monaco-workbench").waitFor({ timeout: JOB_MS });
  await editor.close();
}
