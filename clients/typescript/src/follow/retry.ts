import { setTimeout as sleep } from "node:timers/promises";

import { PinacleError } from "../errors.js";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** How long to wait after so many failures in a row, in milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
}

/** Runs `read` until the database responds, as somebody who follows wants to go on when it is back. */
export async function retrying<T>(read: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await read();
    } catch (error) {
      if (!isTransient(error)) throw error;
      await sleep(pauseAfter(failures), undefined, { ...(signal && { signal }), ref: true });
    }
  }
}

// SQLSTATE classes of a connection that is gone, of too many of them, and of a server that shuts down or starts.
const TRANSIENT = /^(08|53|57P)/;

function isTransient(error: unknown): boolean {
  if (error instanceof PinacleError || error instanceof TypeError) return false;
  const code = (error as { code?: unknown }).code;
  return typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code) || TRANSIENT.test(code);
}
