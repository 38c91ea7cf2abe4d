import type { Backend, Missed, PodEvent } from "../backend.js";
import { retrying } from "./retry.js";
import { SharedReads } from "./shared.js";
import { untilAborted } from "./signal.js";

interface News {
  events: PodEvent[];
  missed: Missed | null;
}

/** Reads the changes of pods and jobs. */
export class EventReader {
  readonly #backend: Backend;
  readonly #states = new SharedReads<PodEvent[]>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  read(podId: string | undefined, signal: AbortSignal | undefined): AsyncIterableIterator<PodEvent> {
    return untilAborted((signal) => this.#read(podId, signal), signal);
  }

  async *#read(podId: string | undefined, signal: AbortSignal): AsyncGenerator<PodEvent, void> {
    const changes = this.#backend.subscribe(podId);
    const last = new LastStates();
    try {
      for (;;) {
        await changes.changed(signal);
        const news = changes.take();
        yield* podId === undefined ? await this.#ofAll(news, signal) : last.differing(await this.#ofPod(podId, news, signal));
      }
    } finally {
      changes.close();
    }
  }

  async #ofPod(podId: string, { events, missed }: News, signal: AbortSignal): Promise<News & { state?: PodEvent[] }> {
    if (!missed) return { events, missed };
    const read = () => this.#states.get(podId, () => this.#backend.podState(podId));
    return { events, missed, state: await retrying(read, signal) };
  }

  async #ofAll({ events, missed }: News, signal: AbortSignal): Promise<PodEvent[]> {
    const since = missed?.since;
    if (!since) return events;
    const read = () => this.#states.get(since.toISOString(), () => this.#backend.changedSince(since));
    return [...events, ...(await retrying(read, signal))];
  }
}

/** What was said last of a pod and of each of its jobs, so that a state which is read again is not said again. */
class LastStates {
  #said: Map<string, string> | undefined;

  *differing({ events, state }: { events: PodEvent[]; state?: PodEvent[] }): Generator<PodEvent> {
    const before = this.#said;
    const said = (this.#said ??= new Map());
    // Of what is over when the first state is read, the last job alone says what the pod is at.
    for (const event of before ? [...events, ...(state ?? [])] : (state ?? [])) {
      const [key, text] = [event.jobId ?? event.podId, JSON.stringify(event)];
      const isNew = said.get(key) !== text && (before !== undefined || !isOver(event) || event === state?.at(-1));
      said.set(key, text);
      if (isNew) yield event;
    }
    // As many as a state has, however long somebody follows.
    if (state) this.#said = new Map(state.map((event) => [event.jobId ?? event.podId, JSON.stringify(event)]));
  }
}

function isOver({ jobId, status }: PodEvent): boolean {
  return jobId !== null && (status === "succeeded" || status === "failed" || status === "cancelled");
}
