import type { Missed, PodEvent, Subscription } from "../backend.js";
import { unlessAborted } from "./signal.js";

/** A subscription, as its backend feeds it. It holds the last change of each job and pod, so a slow reader costs little. */
export class Changes implements Subscription {
  /** When it began, by this machine's clock. */
  readonly since = new Date();
  readonly #leave: () => void;
  #events = new Map<string, PodEvent>();
  #missed: Missed | null = null;
  #failure: { error: unknown } | undefined;
  #isNew = false;
  #wake = () => {};

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
    this.#wake();
  }

  /** There will be no changes, for a reason that does not go by itself. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.notify();
  }

  async changed(signal?: AbortSignal): Promise<void> {
    if (!this.#isNew) await unlessAborted(new Promise<void>((resolve) => (this.#wake = resolve)), signal);
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure.error;
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
