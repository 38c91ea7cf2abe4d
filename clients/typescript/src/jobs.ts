import type { Backend, JobFilter, Page } from "./backend.js";
import { NoSuchJob, TimedOut } from "./errors.js";
import { retrying } from "./follow/retry.js";
import type { Job, JobKind, JobStep } from "./generated/schema.js";
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
  enqueue(podId: string, kind: JobKind, options: EnqueueJob = {}): Promise<string> {
    const { payload = {}, runAt, priority = 0, requestedBy, tx } = options;
    const job = { podId, kind, payload, runAt, priority, requestedBy };
    return this.#backend.transaction(tx, (tx) => this.#backend.enqueue(tx, job));
  }

  /**
   * True where the job is cancelled or will be stopped, false where it had finished.
   *
   * @throws {NoSuchJob}
   */
  cancel(jobId: string, { tx }: InTransaction = {}): Promise<boolean> {
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
    const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [signal, limit].filter((signal) => signal !== undefined);
    const either = signals.length > 0 ? AbortSignal.any(signals) : undefined;
    let job = await retrying(() => this.#job(jobId), either);
    const changes = this.#backend.subscribe(job.podId);
    try {
      while (job.finishedAt === null) {
        await changes.changed(either);
        job = await retrying(() => this.#job(jobId), either);
      }
      return job;
    } catch (error) {
      if (!limit?.aborted || error !== limit.reason) throw error;
      throw new TimedOut(`The ${job.kind} of pod "${job.podId}" is ${job.status} after ${timeoutMs} ms.`, { cause: error });
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
