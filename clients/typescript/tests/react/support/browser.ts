import { mkdir } from "node:fs/promises";
import { after } from "node:test";

import type { Terminal } from "@xterm/xterm";
import { type Browser, chromium, type Page } from "playwright-core";

const ARGUMENTS = `--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --enable-precise-memory-info`;

/** A browser for the tests of a file. */
export async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ARGUMENTS.split(/\s+/),
  });
  after(() => browser.close());
  return browser;
}

/** What the page's terminal holds, without the spaces at the ends of its lines. */
export async function terminalText(page: Page): Promise<string> {
  return page.evaluate(() => {
    const buffer = (globalThis as { terminal?: Terminal }).terminal?.buffer.active;
    let text = "";
    for (let at = 0; at < (buffer?.length ?? 0); at += 1) {
      const line = buffer!.getLine(at)!;
      text += `${line.isWrapped || at === 0 ? "" : "\n"}${line.translateToString(true)}`;
    }
    return text.trimEnd();
  });
}

/** The colour of a text in the terminal, once it is drawn. */
export async function screenColour(page: Page, text: string): Promise<{ r: number; g: number; b: number }> {
  const drawn = page.locator(".xterm-rows span").filter({ hasText: text }).first();
  const colour = await drawn.evaluate((span) => getComputedStyle(span).color);
  const [r, g, b] = [...colour.matchAll(/\d+/g)].map(Number) as [number, number, number];
  return { r, g, b };
}

/** Keeps a picture of the page in each scheme where the environment says where to. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env["SCREENSHOTS"];
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // The terminal draws with the next frame.
    await page.waitForTimeout(200);
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png`, fullPage: true });
  }
}
