import { setTimeout as sleep } from "node:timers/promises";

import { sqlstate } from "../sqlstate.js";
import { unlessAborted } from "./signal.js";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** How long to wait after so many failures in a row, in milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
}

/** Runs `read` until the database responds: who follows wants to go on when it is back. */
export async function retrying<T>(read: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await unlessAborted(read(), signal);
    } catch (error) {
      if (signal?.aborted || !isTransient(error)) throw error;
      await unlessAborted(sleep(pauseAfter(failures)), signal);
    }
  }
}

// SQLSTATE classes of a connection that is gone, of too many of them, and of a server that shuts down or starts.
const TRANSIENT_STATES = /^(08|53|57P)/;
const NETWORK = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENETDOWN)$/;
// What `pg` and its pool say without a code.
const WORDS = /^(Connection terminated|Client has encountered a connection error|timeout e|Query read timeout)/;

/** Whether it may go by itself: the database or the way to it is away. */
export function isTransient(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const state = sqlstate(code);
  if (state !== undefined) return TRANSIENT_STATES.test(state);
  return typeof code === "string" ? NETWORK.test(code) : WORDS.test(String(message));
}
