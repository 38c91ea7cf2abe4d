/** Notes when each line that is a moment in milliseconds is first in the terminal. */
export async function keepTimes(page) {
  await page.evaluate(() => {
    window.shownAt = new Map();
    const look = () => {
      const now = Date.now();
      for (const [moment] of document.querySelector(".xterm-rows").textContent.matchAll(/1\d{12}/g)) {
        if (!window.shownAt.has(moment)) window.shownAt.set(moment, now);
      }
    };
    const start = () => {
      const rows = document.querySelector(".xterm-rows");
      // The terminal is loaded after the page.
      if (!rows) return setTimeout(start, 20);
      new MutationObserver(look).observe(rows, { childList: true, characterData: true, subtree: true });
    };
    start();
  });
}

/** From the print in the pod to the screen, in milliseconds. */
export async function latencies(page) {
  const shown = await page.evaluate(() => [...window.shownAt]);
  const delays = shown.map(([printed, at]) => at - Number(printed)).sort((a, b) => a - b);
  const part = (share) => delays[Math.ceil(delays.length * share) - 1];
  return { count: delays.length, p50: part(0.5), p95: part(0.95), most: part(1) };
}
