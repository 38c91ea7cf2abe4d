import type { Backend, JobFilter, Page } from "./backend.js";
import { NoSuchJob, TimedOut } from "./errors.js";
import { retrying } from "./follow/retry.js";
import type { Job, JobKind, JobStep } from "./generated/schema.js";
import { checkPayload, checkPriority, checkRunAt, checkText, checkTexts } from "./input.js";
import type { InTransaction } from "./pods.js";

export interface EnqueueJob extends InTransaction {
  payload?: object | undefined;
  /** Not before; now if left out. */
  runAt?: Date | undefined;
  /** Higher first, within the same moment; 0 if left out. */
  priority?: number | undefined;
  /** Who asked, as the admin's page shows it. */
  requestedBy?: string | undefined;
}

export interface WaitForJob {
  signal?: AbortSignal | undefined;
  /** Milliseconds; without end if left out. */
  timeoutMs?: number | undefined;
}

const TIMED_OUT = Symbol("timed out");

export class Jobs {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /**
   * Enqueues a job and returns its id. Where the last job in the pod's line is queued and the same, that one's: a double
   * click is one job.
   *
   * @throws {NoSuchPod}
   * @throws {InvalidInput} the database refuses a value
   */
  async enqueue(podId: string, kind: JobKind, options: EnqueueJob = {}): Promise<string> {
    const { payload = {}, runAt, priority = 0, requestedBy, tx } = options;
    checkText("A job's kind", kind);
    checkPayload(payload);
    checkRunAt(runAt);
    checkPriority(priority);
    checkTexts({ requestedBy });
    const job = { podId, kind, payload, runAt, priority, requestedBy };
    return this.#backend.transaction(tx, (tx) => this.#backend.enqueue(tx, job));
  }

  /**
   * True where the job is cancelled or will be stopped, false where it had finished.
   *
   * @throws {NoSuchJob}
   */
  async cancel(jobId: string, { tx }: InTransaction = {}): Promise<boolean> {
    return this.#backend.transaction(tx, (tx) => this.#backend.cancel(tx, jobId));
  }

  /** The job, or null where there is none with this id. */
  get(jobId: string): Promise<Job | null> {
    return this.#backend.job(jobId);
  }

  /** Newest first. */
  list(filter: JobFilter & Page = {}): Promise<Job[]> {
    return this.#backend.jobs(filter, filter);
  }

  /** The job's steps, in their order. */
  steps(jobId: string): Promise<JobStep[]> {
    return this.#backend.steps(jobId);
  }

  /**
   * Waits until the job has `succeeded`, `failed` or been `cancelled`, and returns it.
   *
   * @throws {NoSuchJob}
   * @throws {TimedOut} it runs on
   */
  async wait(jobId: string, { signal, timeoutMs }: WaitForJob = {}): Promise<Job> {
    const limit = new AbortController();
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => limit.abort(TIMED_OUT), timeoutMs);
    const abort = () => limit.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      return await this.#finished(jobId, limit.signal);
    } catch (error) {
      if (error !== TIMED_OUT) throw error;
      throw new TimedOut(`Job "${jobId}" has not finished after ${timeoutMs} ms; it goes on.`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  async #finished(jobId: string, signal: AbortSignal): Promise<Job> {
    const read = () => retrying(() => this.#job(jobId), signal);
    let job = await read();
    if (job.finishedAt !== null) return job;
    const changes = this.#backend.subscribe(job.podId);
    try {
      while (job.finishedAt === null) {
        await changes.changed(signal);
        job = await read();
      }
      return job;
    } finally {
      changes.close();
    }
  }

  async #job(jobId: string): Promise<Job> {
    const job = await this.#backend.job(jobId);
    if (!job) throw new NoSuchJob(`There is no job "${jobId}".`);
    return job;
  }
}
