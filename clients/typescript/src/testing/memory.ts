import { isDeepStrictEqual } from "node:util";

import type {
  Backend,
  JobFilter,
  LogPlace,
  NewJob,
  NewPod,
  NewSecret,
  Page,
  PlacedLogRow,
  PodEvent,
  PodFilter,
  Queryable,
} from "../backend.js";
import { Changes } from "../follow/changes.js";
import type { OpenCommand } from "../follow/cursor.js";
import type { Job, JobStep, Pod, Secret, Server } from "../generated/schema.js";
import { DEFAULT_PAGE, pageOf } from "../input.js";
import { jobEvent, noRows, podEvent, type Rows } from "./rows.js";
import * as rules from "./rules.js";

const STATE_JOBS = 10;

const NO_TRANSACTION: Queryable = {
  query: () => Promise.reject(new Error("a fake client runs no SQL")),
};

/** Pods and jobs in memory, by the database's rules: what it refuses, in which order jobs run, what it announces. */
export class MemoryBackend implements Backend {
  #rows = noRows();
  #transactions: Promise<unknown> = Promise.resolve();
  readonly #followers = new Set<{ podId: string | undefined; changes: Changes }>();

  /** One after the other, each on a copy of the rows that a failure drops. */
  transaction<T>(tx: Queryable | undefined, work: (tx: Queryable) => Promise<T>): Promise<T> {
    if (tx === NO_TRANSACTION) return work(tx);
    const done = this.#transactions.then(async () => {
      const before = this.#rows;
      this.#rows = copyOf(before);
      try {
        const result = await work(NO_TRANSACTION);
        this.#announce(before, this.#rows);
        return result;
      } catch (error) {
        this.#rows = before;
        throw error;
      }
    });
    this.#transactions = done.catch(() => {});
    return done;
  }

  /** Changes rows in a transaction of its own, as the worker does. */
  change<T>(work: (rows: Rows) => T): Promise<T> {
    return this.transaction(undefined, async () => work(this.#rows));
  }

  async insertPod(_tx: Queryable, pod: NewPod): Promise<string | null> {
    return rules.insertPod(this.#rows, pod);
  }

  async createOf(_tx: Queryable, { id, name, slug, config, ownerId }: NewPod): Promise<string | null> {
    const pod = this.#rows.pods.get(id ?? "");
    const isSame =
      pod?.name === name &&
      pod.slug === slug &&
      pod.ownerId === (ownerId ?? null) &&
      pod.destroyedAt === null &&
      isDeepStrictEqual(pod.config, config);
    const job = [...this.#rows.jobs.values()].find(({ podId, kind }) => podId === id && kind === "create");
    return isSame ? (job?.id ?? null) : null;
  }

  async putSecret(_tx: Queryable, secret: NewSecret): Promise<void> {
    rules.putSecret(this.#rows, secret);
  }

  async deleteSecret(_tx: Queryable, { podId, kind, name }: Omit<NewSecret, "value">): Promise<boolean> {
    return this.#rows.secrets.delete(JSON.stringify([podId, kind, name]));
  }

  async enqueue(_tx: Queryable, job: NewJob): Promise<string> {
    return rules.enqueue(this.#rows, job);
  }

  async requeue(_tx: Queryable, podId: string, requestedBy: string | undefined): Promise<string> {
    return rules.requeue(this.#rows, podId, requestedBy);
  }

  async cancel(_tx: Queryable, jobId: string): Promise<boolean> {
    return rules.cancel(this.#rows, jobId);
  }

  async pod(id: string): Promise<Pod | null> {
    return structuredClone(this.#rows.pods.get(id) ?? null);
  }

  async pods({ ownerId, serverId, status, includeDestroyed }: PodFilter, page: Page): Promise<Pod[]> {
    const matching = [...this.#rows.pods.values()].filter(
      (pod) =>
        (ownerId === undefined || pod.ownerId === ownerId) &&
        (serverId === undefined || pod.serverId === serverId) &&
        isOneOf(pod.status, status) &&
        (includeDestroyed || pod.destroyedAt === null),
    );
    return portion(matching, page);
  }

  async secrets(podId: string): Promise<Secret[]> {
    const all = [...this.#rows.secrets.values()].filter((secret) => secret.podId === podId);
    return all.sort((a, b) => (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1));
  }

  async job(id: string): Promise<Job | null> {
    return structuredClone(this.#rows.jobs.get(id) ?? null);
  }

  async jobs({ podId, status }: JobFilter, page: Page): Promise<Job[]> {
    const jobs = [...this.#rows.jobs.values()];
    return portion(jobs.filter((job) => (podId === undefined || job.podId === podId) && isOneOf(job.status, status)), page);
  }

  async steps(jobId: string): Promise<JobStep[]> {
    return structuredClone(this.#rows.steps.get(jobId) ?? []);
  }

  async servers(): Promise<Server[]> {
    return structuredClone([...this.#rows.servers.values()]);
  }

  async logRows(podId: string, all: boolean, after: LogPlace | null): Promise<{ rows: PlacedLogRow[]; isLast: boolean }> {
    const rows = (this.#rows.logs.get(podId) ?? []).filter(({ containerCommand }) => all || containerCommand !== null);
    return { rows: structuredClone(rows.slice(after ? rows.findIndex(({ id }) => id === after.id) + 1 : 0)), isLast: true };
  }

  async logRowsById(podId: string, open: readonly OpenCommand[]): Promise<PlacedLogRow[]> {
    const ids = open.map(({ id }) => id);
    return structuredClone((this.#rows.logs.get(podId) ?? []).filter(({ id }) => ids.includes(id)));
  }

  async podState(podId: string): Promise<PodEvent[]> {
    const pod = this.#rows.pods.get(podId);
    const all = [...this.#rows.jobs.values()].filter((job) => job.podId === podId);
    const jobs = all.filter((job, at) => job.finishedAt === null || at >= all.length - STATE_JOBS);
    return pod ? [podEvent(pod), ...jobs.map(jobEvent)] : [];
  }

  /** Nothing is ever missed in memory. */
  async changedSince(): Promise<PodEvent[]> {
    return [];
  }

  subscribe(podId: string | undefined): Changes {
    const follower = { podId, changes: new Changes(() => this.#followers.delete(follower)) };
    this.#followers.add(follower);
    follower.changes.miss(null);
    return follower.changes;
  }

  // What the triggers would notify of.
  #announce(before: Rows, after: Rows): void {
    const differ = <T>(old: Map<string, T>, now: Map<string, T>) => [...now].filter(([id, row]) => old.get(id) !== row);
    const pods = differ(before.pods, after.pods).filter(([id, pod]) => before.pods.has(id) && before.pods.get(id)?.status !== pod.status);
    const events = [...pods.map(([, pod]) => podEvent(pod)), ...differ(before.jobs, after.jobs).map(([, job]) => jobEvent(job))];
    const logs = differ(before.logs, after.logs).map(([podId]) => podId);
    for (const { podId, changes } of this.#followers) {
      for (const event of events) if (podId === undefined || podId === event.podId) changes.add(event);
      if (podId !== undefined && logs.includes(podId)) changes.notify();
    }
  }
}

// The rows themselves are replaced, never changed, so that they tell what has changed.
function copyOf(rows: Rows): Rows {
  return {
    pods: new Map(rows.pods),
    jobs: new Map(rows.jobs),
    steps: new Map(rows.steps),
    secrets: new Map(rows.secrets),
    cancels: new Map(rows.cancels),
    failedJobs: new Map(rows.failedJobs),
    logs: new Map(rows.logs),
    servers: new Map(rows.servers),
  };
}

function isOneOf<T>(value: T, wanted: T | readonly T[] | undefined): boolean {
  return wanted === undefined || (Array.isArray(wanted) ? wanted.includes(value) : wanted === value);
}

function portion<T extends { id: string }>(rows: T[], { limit = DEFAULT_PAGE, after }: Page): T[] {
  const newest = rows.reverse();
  const from = after === undefined ? 0 : newest.findIndex(({ id }) => id === after) + 1;
  // There is nothing behind a row that is not there.
  if (after !== undefined && from === 0) return [];
  return structuredClone(newest.slice(from, from + pageOf(limit)));
}
