import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { APP_URL, openBrowser } from "./support/app.mjs";
import { becomes, createPod, destroy, newName } from "./support/pods.mjs";

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser.close());

test("another user's pod can neither be seen, followed nor changed", async () => {
  const ada = await browser.pageOf("Ada");
  const name = newName("Private");
  const podId = await createPod(ada, { name, install: "echo a private line" });
  await ada.locator(".xterm-rows").getByText("a private line").first().waitFor({ timeout: 120_000 });
  const stop = ada.waitForRequest((request) => request.method() === "POST");
  await becomes(ada, "running");
  await ada.getByRole("button", { name: "Stop" }).click();
  const action = await stop;
  await becomes(ada, "stopped");

  const ben = await browser.pageOf("Ben");
  assert.equal(await ben.getByRole("link", { name }).count(), 0);
  await refused(await ben.request.get(`/pods/${podId}`), 404);
  await refused(await ben.request.get(`/api/pods/${podId}/stream`), 403);
  await refused(await ben.request.get("/api/admin"), 403);
  await refused(await ben.request.get("/admin"), 404);
  await refused(await fetch(`${APP_URL}/api/pods/${podId}/stream`), 403);

  // The request of a button, once more: Ada may send it, and Ben may not.
  const { cookie: _, "content-length": __, ...headers } = await action.allHeaders();
  const send = (page) => page.request.post(action.url(), { headers, data: action.postDataBuffer() });
  assert.equal((await send(ada)).status(), 200);
  await refused(await send(ben), 404);
  await destroy(ada);

  async function refused(response, status) {
    const read = typeof response.status === "function" ? response.status() : response.status;
    assert.equal(read, status, response.url);
    const text = await response.text();
    assert.ok(!text.includes("a private line") && !text.includes(name), text);
  }
});
