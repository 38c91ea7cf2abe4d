import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openBrowser, screenshot } from "./support/app.mjs";
import { becomes, createPod, destroy, JOB_MS, newName } from "./support/pods.mjs";

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser.close());

test("a failed install is shown in red, and runs once its cause is gone and an admin requeues it", async () => {
  const page = await browser.pageOf("Ada");
  const name = newName("Broken");
  await createPod(page, { name, install: "echo no such package >&2; exit 7" });
  await becomes(page, "failed");
  const rows = page.locator(".xterm-rows");
  await rows.getByText("no such package").first().waitFor();
  const exit = rows.getByText(/exit code 7/).last();
  await exit.waitFor();
  assert.ok(isRed(await exit.evaluate((element) => getComputedStyle(element).color)));
  await page.getByText("exited with code 7").first().waitFor();
  await screenshot(page, "failed");

  await page.getByLabel("Install command").fill("echo all is well");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForFunction(() => document.querySelector("#install")?.defaultValue === "echo all is well");

  const admin = await browser.pageOf("Admin");
  const failed = admin.getByRole("row").filter({ hasText: name });
  await failed.waitFor();
  assert.match(await failed.innerText(), /exited with code 7/);
  await screenshot(admin, "admin");
  await failed.getByRole("button", { name: /requeue/i }).click();
  await becomes(page, "running");
  await rows.getByText("all is well").first().waitFor({ timeout: JOB_MS });
  await failed.waitFor({ state: "detached" });
  await destroy(page);
});

/** More red than anything else, in both schemes. */
function isRed(color) {
  const [red, green, blue] = color.match(/[\d.]+/g).map(Number);
  return red > green + 60 && red > blue + 60;
}
