import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openBrowser, screenshot } from "./support/app.mjs";
import { createPod, destroy, fillForm, newName, podIdOf } from "./support/pods.mjs";

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser.close());

// Without JavaScript no disabled button stands in the way, so both clicks reach the server.
for (const javaScriptEnabled of [true, false]) {
  test(`a double click on Create is one pod, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    const page = await browser.pageOf("Ada", { javaScriptEnabled });
    const name = newName("Twice");
    await fillForm(page, { name });
    if (!javaScriptEnabled) await page.getByLabel("Address").fill(name.toLowerCase().replace(" ", "-"));
    await page.getByRole("button", { name: "Create pod" }).dblclick();
    await page.waitForURL(/\/pods\/pod_/);
    const list = await browser.pageOf("Ada");
    await list.getByRole("link", { name }).waitFor();
    assert.equal(await list.getByRole("link", { name }).count(), 1);
    await screenshot(list, "list");
    assert.deepEqual(await kindsOf(await browser.pageOf("Admin"), podIdOf(page)), ["create"]);
    await list.getByRole("link", { name }).click();
    await destroy(list);
  });
}

test("what is wrong with a pod is said at its field", async () => {
  const page = await browser.pageOf("Ada");
  const name = newName("Taken");
  await createPod(page, { name });
  const first = page.url();
  await fillForm(page, { name });
  await page.getByRole("button", { name: "Create pod" }).click();
  const address = page.getByLabel("Address");
  await page.locator("#slug-problem").waitFor();
  assert.equal(await address.evaluate((input) => input === document.activeElement), true);
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), name);
  await screenshot(page, "slug-taken");

  await address.fill(`${await address.inputValue()}-2`);
  await page.getByLabel("Install command").fill("x".repeat(70_000));
  await page.getByRole("button", { name: "Create pod" }).click();
  assert.match(await page.locator("#install-problem").innerText(), /65536 characters/);
  await page.goto(first);
  await destroy(page);
});

/** The kinds of a pod's jobs, as the admin's page is told of them. */
async function kindsOf(admin, podId) {
  const { jobs } = await (await admin.request.get("/api/admin")).json();
  return jobs.filter((job) => job.podId === podId).map((job) => job.kind);
}
