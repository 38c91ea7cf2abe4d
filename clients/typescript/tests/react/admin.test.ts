import assert from "node:assert/strict";
import { after, test } from "node:test";

import type { AdminAction } from "@pinacle/client/next";

import { eventually, newPod } from "../support/pods.js";
import { suite } from "../support/suite.js";
import { app } from "./support/app.js";
import { openBrowser, picture } from "./support/browser.js";

const { client, owner } = await suite();
let granted: AdminAction[] = [];
const server = await app(client, (_, action) => (granted.includes(action) ? { requestedBy: "Root" } : null));
after(() => server.stop());
const browser = await openBrowser();

const REASON = "install failed: `npm ci` exited with code 1: no package.json <b>";

async function failedPod(ownerId: string) {
  const pod = await newPod(client, owner, ownerId);
  await pod.setJob(`status = 'failed', lease = 1, attempt = 1, finished_at = now(), last_error = '${REASON}'`);
  await pod.setPod(`status = 'failed', last_error = '${REASON}'`);
  await owner.query(
    `INSERT INTO pinacle.pod_job_steps (job_id, position, name, status, attempt, started_at, finished_at, error)
     VALUES ($1, 0, 'place', 'succeeded', 1, now(), now(), NULL), ($1, 1, 'install', 'failed', 1, now(), now(), $2)`,
    [pod.jobId, REASON],
  );
  return pod;
}

async function openAdmin(...actions: AdminAction[]) {
  granted = actions;
  const page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(server.url);
  return page;
}

const jobsOf = async (podId: string) => (await client.jobs.list({ podId })).map(({ status, requestedBy }) => [status, requestedBy]);

test("an admin sees why pods failed, requeues one, and all that a filter matches after a question", async () => {
  await owner.query(
    `INSERT INTO pinacle.servers (id, name, connection, cpu_cores, memory_mb, disk_gb, reserved_cpu_cores, reserved_memory_mb, reserved_disk_gb)
     VALUES ('server_1', 'host-1', 'local', 16, 65536, 500, 6.5, 20480, 120)`,
  );
  const [ada, bob, bobs] = [await failedPod("ada"), await failedPod("bob"), await failedPod("bob")];
  const page = await openAdmin("read", "requeue", "requeueFailed", "cancel");
  const row = page.getByRole("row").filter({ hasText: ada.name }).first();
  await row.getByText(REASON).waitFor();

  const jobs = page.getByRole("region", { name: "Jobs" });
  await jobs.getByRole("button", { name: "create", exact: true }).last().press("Enter");
  await page.getByText("install: failed").waitFor();
  await page.getByRole("region", { name: "Servers" }).getByText("20 of 64 GB").waitFor();
  await picture(page, "admin");

  await page.getByRole("button", { name: `Requeue ${ada.name}` }).click();
  await page.getByRole("status").getByText(`${ada.name} is requeued.`).waitFor();
  assert.deepEqual(await jobsOf(ada.podId), [["queued", "Root"], ["failed", "Ada"]]);

  await page.getByRole("combobox", { name: "Owner" }).selectOption("bob");
  const all = page.getByRole("button", { name: "Requeue 2 pods …" });
  await all.click();
  await picture(page, "admin-question");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await jobsOf(bob.podId)).length, 1, "Escape is a no");
  await all.click();
  await page.getByRole("dialog", { name: "Requeue 2 pods?" }).getByRole("button", { name: "Requeue 2 pods" }).click();
  await page.getByRole("status").getByText("Requeued: 2.").waitFor();
  for (const { podId } of [bob, bobs]) assert.deepEqual((await jobsOf(podId))[0], ["queued", "Root"]);

  await page.getByRole("button", { name: `Cancel the create of ${ada.podId}` }).click();
  await page.getByRole("status").getByText("The create is cancelled.").waitFor();
  assert.deepEqual((await jobsOf(ada.podId))[0], ["cancelled", "Root"]);
  await page.close();
});

test("without grants the page is read-only, and without any it says so", async () => {
  const { name } = await failedPod("eve");
  const page = await openAdmin("read");
  await page.getByRole("rowheader", { name }).first().waitFor();
  assert.equal(await page.getByRole("button", { name: /Requeue|Cancel/ }).count(), 0);
  granted = [];
  await page.reload();
  await page.getByRole("alert").getByText("You may not see this page.").waitFor();
  await page.close();
});

test("the page goes on by itself, and says when the server is away", async () => {
  const page = await openAdmin("read");
  await page.getByRole("region", { name: "Jobs" }).waitFor();
  await server.stop();
  await page.getByRole("alert").getByText("The server can't be reached.").waitFor();
  await server.start();
  await eventually(async () => (await page.getByRole("alert").count()) === 0);
  const { podId } = await newPod(client, owner);
  await page.getByText(podId).waitFor();
  await page.close();
});
