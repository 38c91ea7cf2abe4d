import type { PodEvent } from "../backend.js";
import type { LogEvent } from "../follow/logs.js";
import { connect } from "./connect.js";
import type { StreamedEvent } from "./parse.js";
import { nextState, NO_STATE, type PodState } from "./state.js";

/** Takes an event of the log. The next one is read once the promise that it returns is fulfilled. */
export type OnLogEvent = (event: LogEvent) => void | Promise<void>;

// The streams of a page, by their URL.
const streams = new Map<string, Set<PodStream>>();

/**
 * A connection to a pod's stream, for all that follow it on the page. It is opened for the first of them and closed with
 * the last. The log is asked for while somebody reads it.
 */
class PodStream {
  readonly #url: string;
  readonly #states = new Set<() => void>();
  readonly #logs = new Set<OnLogEvent>();
  #stop: AbortController | undefined;
  #isQueued = false;
  #withLog = false;
  #hasBegun = false;
  #lastEventId = "";
  #isFirst = true;
  state: PodState = NO_STATE;

  constructor(url: string) {
    this.#url = url;
  }

  /** Somebody who comes later would miss the beginning of the log: it is not kept. */
  get takesLogs(): boolean {
    return !this.#hasBegun;
  }

  followState(onChange: () => void): () => void {
    return this.#join(this.#states, onChange);
  }

  followLog(onEvent: OnLogEvent): () => void {
    return this.#join(this.#logs, onEvent);
  }

  #join<T>(followers: Set<T>, follower: T): () => void {
    followers.add(follower);
    this.#update();
    return () => {
      followers.delete(follower);
      this.#update();
    };
  }

  // In a microtask: React mounts all of a page's components at once, and in its strict mode each of them twice.
  #update(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      const isWanted = this.#states.size + this.#logs.size > 0;
      const isOther = this.#withLog !== this.#logs.size > 0;
      if (this.#stop && (!isWanted || isOther)) this.#close();
      if (isWanted && !this.#stop) this.#open();
    });
  }

  #open(): void {
    const stop = (this.#stop = new AbortController());
    this.#withLog = this.#logs.size > 0;
    this.#hasBegun = false;
    this.#lastEventId = "";
    void connect({
      signal: stop.signal,
      url: () => (this.#withLog ? this.#url : withoutLog(this.#url)),
      lastEventId: () => this.#lastEventId,
      onConnection: (connection) => {
        this.#isFirst = true;
        this.#set({ ...this.state, connection });
      },
      onEvent: (event) => this.#take(event),
    });
  }

  #close(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    if (this.#states.size + this.#logs.size > 0) return;
    const others = streams.get(this.#url);
    others?.delete(this);
    if (others?.size === 0) streams.delete(this.#url);
  }

  async #take({ event, id, data }: StreamedEvent): Promise<void> {
    if (event === "pod") {
      const told = JSON.parse(data) as PodEvent;
      this.#set(nextState(this.state, told, this.#isFirst));
      // A connection begins with the pod, then its jobs.
      if (told.jobId !== null) this.#isFirst = false;
    }
    if (event !== "log" || id === null) return;
    this.#hasBegun = true;
    this.#lastEventId = id;
    const log = JSON.parse(data, (key, value: unknown) => (key === "timestamp" ? new Date(value as string) : value)) as LogEvent;
    await Promise.all([...this.#logs].map((onEvent) => attempt(onEvent, log)));
  }

  #set(state: PodState): void {
    this.state = state;
    for (const onChange of this.#states) onChange();
  }
}

// One that fails is not to end the others' connection.
async function attempt(onEvent: OnLogEvent, log: LogEvent): Promise<void> {
  try {
    await onEvent(log);
  } catch (error) {
    reportError(error);
  }
}

function withoutLog(url: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}log=0`;
}

/** The connection that tells of a pod; for its log, one that has not begun to tell it. */
export function streamOf(url: string, isForLog: boolean): PodStream {
  const ofUrl = streams.get(url) ?? new Set();
  streams.set(url, ofUrl);
  let stream = [...ofUrl].find((stream) => !isForLog || stream.takesLogs);
  if (!stream) ofUrl.add((stream = new PodStream(url)));
  return stream;
}
