import { randomBytes } from "node:crypto";

/** Long enough for a create on a machine that does other things, too. */
export const JOB_MS = 180_000;

/** A name that no other run of the tests has on the host. */
export const newName = (name) => `${name} ${randomBytes(4).toString("hex")}`;

/** Fills in the form for a pod, up to its button. */
export async function fillForm(page, { name, template = "Empty", install, start }) {
  await page.goto("/pods/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("radio", { name: new RegExp(`^${template}`) }).check();
  await page.getByText("Repository and commands").click();
  if (install) await page.getByLabel("Install command").fill(install);
  if (start) await page.getByLabel("Start command").fill(start);
}

/** Creates a pod by the form, and returns its id once the browser is on its page. */
export async function createPod(page, pod) {
  await fillForm(page, pod);
  await page.getByRole("button", { name: "Create pod" }).click();
  await page.waitForURL(/\/pods\/pod_/);
  return podIdOf(page);
}

export const podIdOf = (page) => new URL(page.url()).pathname.split("/").at(-1);

/** Waits until the page says so, without a reload. */
export async function becomes(page, status) {
  await page.locator(`.live .status[data-status="${status}"]`).waitFor({ timeout: JOB_MS });
}

export async function destroy(page) {
  await page.getByText("Destroy…").click();
  await page.getByRole("button", { name: "Destroy it" }).click();
  await becomes(page, "terminated");
}
