import { setMaxListeners } from "node:events";

import type { Missed, PodEvent, Subscription } from "../backend.js";

/** A subscription, as its backend feeds it. It holds the last change of each job and pod, so a slow reader costs little. */
export class Changes implements Subscription {
  readonly #leave: () => void;
  #events = new Map<string, PodEvent>();
  #missed: Missed | null = null;
  #isNew = false;
  #wake: (() => void) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** A pod or a job has changed. */
  add(event: PodEvent): void {
    const key = event.jobId ?? event.podId;
    // Behind what has changed before.
    this.#events.delete(key);
    this.#events.set(key, event);
    this.notify();
  }

  /** There may have been changes that nobody told of. */
  miss(since: Date | null): void {
    const before = this.#missed;
    const earlier = before?.since && since ? new Date(Math.min(before.since.getTime(), since.getTime())) : null;
    this.#missed = { since: before ? earlier : since };
    this.notify();
  }

  /** Something else has changed, such as the log. */
  notify(): void {
    this.#isNew = true;
    this.#wake?.();
  }

  async changed(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.#isNew) {
      let abort: (() => void) | undefined;
      try {
        // One signal may end all that a server follows.
        if (signal) setMaxListeners(0, signal);
        await new Promise<void>((resolve, reject) => {
          this.#wake = resolve;
          abort = () => reject(signal?.reason as Error);
          signal?.addEventListener("abort", abort, { once: true });
        });
      } finally {
        this.#wake = undefined;
        if (abort) signal?.removeEventListener("abort", abort);
      }
    }
    this.#isNew = false;
  }

  take(): { events: PodEvent[]; missed: Missed | null } {
    const taken = { events: [...this.#events.values()], missed: this.#missed };
    this.#events = new Map();
    this.#missed = null;
    return taken;
  }

  close(): void {
    this.#leave();
  }
}
