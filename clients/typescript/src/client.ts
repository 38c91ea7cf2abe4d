import type { Backend, PodEvent } from "./backend.js";
import { EventReader } from "./follow/events.js";
import { type LogEvent, LogReader, type LogOptions } from "./follow/logs.js";
import type { Server } from "./generated/schema.js";
import { Jobs } from "./jobs.js";
import { Pods } from "./pods.js";
import { PostgresBackend } from "./postgres/backend.js";
import type { Pool } from "./postgres/pool.js";
import { Sealer } from "./seal.js";
import { Secrets } from "./secrets.js";

export interface ClientOptions {
  /** The app's own pool of `pg`. One of its connections listens while somebody follows. */
  pool: Pool;
  /** What `pinacle-worker secrets public-key` prints; without it, secrets are stored plain until a worker seals them. */
  secretsKey?: string | undefined;
}

export class Client {
  readonly pods: Pods;
  readonly jobs: Jobs;
  readonly secrets: Secrets;
  readonly #backend: Backend;
  readonly #events: EventReader;
  readonly #logs: LogReader;

  /** Made by {@link createClient}, or for a test by `createFakeClient`. */
  constructor(backend: Backend, secretsKey?: string) {
    this.#backend = backend;
    this.#events = new EventReader(backend);
    this.#logs = new LogReader(backend);
    this.secrets = new Secrets(backend, secretsKey === undefined ? undefined : new Sealer(secretsKey));
    this.pods = new Pods(backend, this.secrets);
    this.jobs = new Jobs(backend);
  }

  /** The pod hosts, and what of them is taken. */
  servers(): Promise<Server[]> {
    return this.#backend.servers();
  }

  /**
   * The changes of one pod and its jobs, its present state first; or of all pods, with what has changed in the minute
   * before. After a connection was lost, or where the reader is slow, a state in between may be left out and one may be
   * told again; the last one always comes.
   */
  events(podId?: string, options: { signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<PodEvent> {
    return this.#events.read(podId, options.signal);
  }

  /** What the pod's commands print, in order, nothing twice; with `follow` as it comes, until the signal is aborted. */
  logs(podId: string, options: LogOptions = {}): AsyncIterableIterator<LogEvent> {
    return this.#logs.read(podId, options);
  }
}

export function createClient({ pool, secretsKey }: ClientOptions): Client {
  return new Client(new PostgresBackend(pool), secretsKey);
}
