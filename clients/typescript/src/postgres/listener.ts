import { setTimeout as sleep } from "node:timers/promises";

import type { PodEvent, Subscription } from "../backend.js";
import { InvalidInput } from "../errors.js";
import { Changes } from "../follow/changes.js";
import { isTransient, pauseAfter } from "../follow/retry.js";
import { explained } from "./errors.js";
import type { Connection, Notification, Pool } from "./pool.js";

/** How often the connection is tried, in milliseconds: one that is gone may not say so. */
const TRY_INTERVAL_MS = 5_000;
/** After which a connection that doesn't answer is given up, in milliseconds. */
const ANSWER_LIMIT_MS = 5_000;
/** How long the connection is kept after the last who followed has gone, in milliseconds: another may come. */
const LINGER_MS = 1_000;
/** After so many tries, those who follow a pod look for what no notification told them. */
const TRIES_BETWEEN_LOOKS = 6;

/**
 * Follows the database's notifications on one connection, however many subscribe. It is taken from the pool with the first
 * subscription and given back with the last. After it was lost, every subscription is told that it may have missed some.
 */
export class Listener {
  readonly #pool: Pool;
  readonly #ofPod = new Map<string, Set<Changes>>();
  readonly #ofAll = new Set<Changes>();
  #stop: AbortController | undefined;
  /** When the database last answered, by its own clock. */
  #answeredAt: Date | null = null;
  #isConnected = false;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  subscribe(podId: string | undefined): Subscription {
    if (this.#pool.options.max < 2) {
      throw new InvalidInput("To follow needs a connection that listens beside one that reads. Give the pool a `max` of 2 or more.");
    }
    const others = podId === undefined ? this.#ofAll : (this.#ofPod.get(podId) ?? new Set());
    if (podId !== undefined) this.#ofPod.set(podId, others);
    const changes = new Changes(() => {
      others.delete(changes);
      if (others.size === 0 && podId !== undefined && this.#ofPod.get(podId) === others) this.#ofPod.delete(podId);
      if (this.#isIdle()) setTimeout(() => this.#isIdle() && this.#end(), LINGER_MS).unref();
    });
    others.add(changes);
    // Before there is a connection, its beginning will say the same.
    if (this.#isConnected && podId !== undefined) changes.miss(null);
    if (!this.#stop) {
      this.#stop = new AbortController();
      void this.#run(this.#stop.signal);
    }
    return changes;
  }

  #isIdle(): boolean {
    return this.#ofAll.size === 0 && this.#ofPod.size === 0;
  }

  *#all(): Generator<Changes> {
    yield* this.#ofAll;
    for (const those of this.#ofPod.values()) yield* those;
  }

  // What does not go by itself is told to those who follow, and the next to come tries again.
  #fail(error: unknown): void {
    for (const changes of this.#all()) changes.fail(error);
    this.#end();
  }

  #end(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#isConnected = false;
    this.#answeredAt = null;
  }

  async #run(stop: AbortSignal): Promise<void> {
    for (let failures = 0; !stop.aborted; ) {
      let connection: Connection | undefined;
      try {
        connection = await this.#pool.connect();
        await this.#listen(connection, stop, () => (failures = 0));
      } catch (error) {
        failures += 1;
        if (!stop.aborted && !isTransient(error)) this.#fail(explained(error));
      } finally {
        if (!stop.aborted) this.#isConnected = false;
        // It is not given back to others, who would be notified, too.
        connection?.release(true);
      }
      if (!stop.aborted) await sleep(pauseAfter(Math.max(failures, 1)), undefined, { signal: stop }).catch(() => {});
    }
  }

  // Returns when it is to stop, and throws when the connection is lost.
  async #listen(connection: Connection, stop: AbortSignal, connected: () => void): Promise<void> {
    const lost = new Promise<never>((_, reject) => {
      connection.on("error", reject);
      connection.on("end", () => reject(new Error("Connection terminated")));
    });
    lost.catch(() => {});
    connection.on("notification", (notification) => this.#notify(notification));
    const ask = async (text: string) => {
      const limit = sleep(ANSWER_LIMIT_MS, undefined, { ref: false }).then(() => {
        throw new Error("Connection terminated: the database does not answer");
      });
      return Promise.race([connection.query(text), lost, limit]);
    };
    await ask("LISTEN pod_events");
    await ask("LISTEN pod_log_events");
    for (let tries = 0; !stop.aborted; tries += 1) {
      if (this.#pool.ending) throw new Error("The app ends the pool.");
      const [{ now }] = (await ask("SELECT now() AS now")).rows as [{ now: Date | string }];
      if (stop.aborted) return;
      if (tries === 0) {
        connected();
        this.#isConnected = true;
        for (const changes of this.#ofAll) changes.miss(this.#answeredAt ?? changes.since);
      }
      if (tries % TRIES_BETWEEN_LOOKS === 0) {
        for (const those of this.#ofPod.values()) for (const changes of those) changes.miss(null);
      }
      this.#answeredAt = new Date(now);
      await Promise.race([sleep(TRY_INTERVAL_MS, undefined, { signal: stop }).catch(() => {}), lost]);
    }
  }

  #notify({ channel, payload = "" }: Notification): void {
    const told = parse(payload);
    if (!told) return;
    const ofPod = this.#ofPod.get(told.pod_id) ?? [];
    if (channel === "pod_log_events") {
      for (const changes of ofPod) changes.notify();
      return;
    }
    const { pod_id: podId, job_id: jobId, kind, status, step, steps_done: stepsDone, steps_total: stepsTotal } = told;
    if (typeof status !== "string") return;
    const event = { podId, jobId, kind, status, step, stepsDone, stepsTotal };
    for (const changes of [...ofPod, ...this.#ofAll]) changes.add(event);
  }
}

interface Payload {
  pod_id: string;
  job_id: string | null;
  kind: PodEvent["kind"];
  status: PodEvent["status"];
  step: string | null;
  steps_done: number | null;
  steps_total: number | null;
}

// Whoever may connect may notify, and with anything.
function parse(payload: string): Payload | null {
  try {
    const told = JSON.parse(payload) as Record<string, unknown> | null;
    const isText = (field: string) => typeof told?.[field] === "string";
    const isTextOrNone = (field: string) => isText(field) || (told?.[field] ?? null) === null;
    const isNumberOrNone = (field: string) => typeof told?.[field] === "number" || (told?.[field] ?? null) === null;
    const isOne =
      isText("pod_id") &&
      ["job_id", "kind", "status", "step"].every(isTextOrNone) &&
      ["steps_done", "steps_total"].every(isNumberOrNone);
    return isOne ? (told as unknown as Payload) : null;
  } catch {
    return null;
  }
}
