import type { OpenCommand } from "./follow/cursor.js";
import type { PodConfig } from "./generated/pod-config.js";
import type { Job, JobKind, JobStatus, JobStep, LogRow, Pod, PodStatus, Secret, Server } from "./generated/schema.js";

/** Runs one statement, inside the app's transaction where it is made from one. A client of `pg` is one as it is. */
export interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

/** A change of a job, or of a pod where `jobId` is null. */
export interface PodEvent {
  podId: string;
  jobId: string | null;
  kind: JobKind | null;
  status: JobStatus | PodStatus;
  step: string | null;
  stepsDone: number | null;
  stepsTotal: number | null;
}

export interface NewPod {
  id: string | undefined;
  name: string;
  slug: string;
  config: PodConfig;
  serverId: string | undefined;
  ownerId: string | undefined;
}

export interface NewJob {
  podId: string;
  kind: JobKind;
  payload: object;
  runAt: Date | undefined;
  priority: number;
  requestedBy: string | undefined;
}

export interface NewSecret {
  podId: string;
  kind: Secret["kind"];
  name: string;
  /** Plain, or sealed. */
  value: string;
}

export interface PodFilter {
  ownerId?: string;
  status?: PodStatus | readonly PodStatus[] | undefined;
  serverId?: string | undefined;
  /** Destroyed pods, too. */
  includeDestroyed?: boolean | undefined;
}

export interface JobFilter {
  podId?: string | undefined;
  status?: JobStatus | readonly JobStatus[] | undefined;
}

/** A part of a list: up to `limit` rows behind the one with the id `after`. */
export interface Page {
  /** 100 if left out, 1000 at most. */
  limit?: number | undefined;
  after?: string | undefined;
}

/** A row of the log, or what of it is behind a place. */
export type PlacedLogRow = Omit<LogRow, "podId" | "createdAt"> & {
  /** Its place in the order: microseconds since 1970, for which a number has no room. */
  micros: string;
  /** How many bytes of the output were left out before what there is. */
  stdoutFrom: number;
  stderrFrom: number;
};

/** The place behind a row of a log. */
export interface LogPlace {
  micros: string;
  id: string;
}

/** Where pods and jobs are: a PostgreSQL database, or the memory of a test. */
export interface Backend {
  /** Runs `work` in a transaction: in the app's where `tx` is one, or else in one of its own. */
  transaction<T>(tx: Queryable | undefined, work: (tx: Queryable) => Promise<T>): Promise<T>;

  /** Returns the id, or null where there is a pod with this id. */
  insertPod(tx: Queryable, pod: NewPod): Promise<string | null>;
  /** The first `create` of a pod that is just this one; null where there is none. */
  createOf(tx: Queryable, pod: NewPod): Promise<string | null>;
  putSecret(tx: Queryable, secret: NewSecret): Promise<void>;
  deleteSecret(tx: Queryable, secret: Omit<NewSecret, "value">): Promise<boolean>;
  enqueue(tx: Queryable, job: NewJob): Promise<string>;
  requeue(tx: Queryable, podId: string, requestedBy: string | undefined): Promise<string>;
  cancel(tx: Queryable, jobId: string): Promise<boolean>;

  pod(id: string): Promise<Pod | null>;
  /** Newest first. */
  pods(filter: PodFilter, page: Page): Promise<Pod[]>;
  secrets(podId: string): Promise<Secret[]>;
  job(id: string): Promise<Job | null>;
  /** Newest first. */
  jobs(filter: JobFilter, page: Page): Promise<Job[]>;
  steps(jobId: string): Promise<JobStep[]>;
  servers(): Promise<Server[]>;

  /**
   * Rows of a pod's log behind a place, the oldest first, as many as fit into the memory, and whether these are the last;
   * infrastructure commands where `all`.
   */
  logRows(podId: string, all: boolean, after: LogPlace | null): Promise<{ rows: PlacedLogRow[]; isLast: boolean }>;
  /** These rows, and of their output what is behind the places. */
  logRowsById(podId: string, open: readonly OpenCommand[]): Promise<PlacedLogRow[]>;

  /** What a pod is at, as events: the pod, then its last jobs, the newest last; empty where there is no such pod. */
  podState(podId: string): Promise<PodEvent[]>;
  /** The pods and jobs that have changed since a moment; more than those, too. */
  changedSince(since: Date): Promise<PodEvent[]>;
  /** Changes of one pod, or of all, from now on. */
  subscribe(podId: string | undefined): Subscription;
}

/** That changes may have been missed, since a moment or since whenever. */
export interface Missed {
  since: Date | null;
}

/** Says when there may be something new, and what. Nothing is missed unsaid: a subscription begins with a {@link Missed}. */
export interface Subscription {
  /** Resolves once something has changed since the last call, or rejects with the signal's reason. */
  changed(signal?: AbortSignal): Promise<void>;
  /** What has changed since the last call, the last state of each pod and job. */
  take(): { events: PodEvent[]; missed: Missed | null };
  close(): void;
}
