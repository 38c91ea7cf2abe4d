import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

export const APP_URL = process.env["APP_URL"];
if (!APP_URL) throw new Error("APP_URL is not set. Run the tests by: deploy/dev/stack run deploy/dev/web npm test");

const screenshots = process.env["SCREENSHOTS"] ?? (await mkdtemp(join(tmpdir(), "pinacle-web-")));

/** A browser, and pages in it that are signed in. */
export async function openBrowser() {
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  // As root, Chromium has no sandbox; and it is to speak to nobody but the app and the pods.
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet];
  const browser = await chromium.launch({ executablePath, args });
  return {
    /** @param {"Ada" | "Ben" | "Admin"} user */
    async pageOf(user, options = {}) {
      const viewport = { width: 1200, height: 900 };
      const context = await browser.newContext({ baseURL: APP_URL, viewport, ...options });
      const page = await context.newPage();
      await page.goto("/sign-in");
      await page.getByRole("button", { name: new RegExp(`^${user}`) }).click();
      await page.getByRole("button", { name: "Sign out" }).waitFor();
      return page;
    },
    close: () => browser.close(),
  };
}

/** Keeps what a page looks like, light and dark. */
export async function screenshot(page, name) {
  await mkdir(screenshots, { recursive: true });
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const path = join(screenshots, `${name}-${colorScheme}.png`);
    await page.screenshot({ path, fullPage: true });
    console.log(`screenshot: ${path}`);
  }
}
