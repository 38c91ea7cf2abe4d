import type { NewJob, NewPod, NewSecret } from "../backend.js";
import { InvalidConfig, InvalidInput, NoSuchJob, NoSuchPod, NoSuchServer, NotFailed, SlugTaken } from "../errors.js";
import type { Job, Pod } from "../generated/schema.js";
import { PLANS } from "./plans.js";
import { newJob, newPod, type Rows } from "./rows.js";

const SLUG = /^[a-z0-9]([a-z0-9-]{0,41}[a-z0-9])?$/;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const CONFIG_BYTES = 256 * 1024;
const OWNER_BYTES = 256;

let made = 0;
function newId(prefix: string): string {
  return `${prefix}_${String((made += 1)).padStart(8, "0")}`;
}

export function isUnfinished({ status }: Job): boolean {
  return status === "queued" || status === "running" || status === "retrying";
}

/** The database's rules of an insert into `pods`. Returns null where the id is taken. */
export function insertPod(rows: Rows, pod: NewPod): string | null {
  const id = pod.id ?? newId("pod");
  if (!ID.test(id)) {
    throw new InvalidInput('A pod\'s id is up to 100 letters, digits, "_", "." and "-", the first a letter or a digit.');
  }
  if (Buffer.byteLength(pod.ownerId ?? "") > OWNER_BYTES) throw new InvalidInput("A pod's owner_id has 256 bytes at most.");
  if (rows.pods.has(id)) return null;
  if (!SLUG.test(pod.slug)) {
    throw new InvalidInput(
      `The slug "${pod.slug}" is not up to 43 small letters, digits and inner hyphens: it is a part of the pod's hostname.`,
    );
  }
  const bytes = Buffer.byteLength(JSON.stringify(pod.config));
  if (bytes > CONFIG_BYTES) {
    throw new InvalidConfig(`The config of pod "${id}" has ${bytes} bytes; no more than ${CONFIG_BYTES} (256 KiB) can be stored.`);
  }
  if ([...rows.pods.values()].some(({ slug, destroyedAt }) => slug === pod.slug && destroyedAt === null)) {
    throw new SlugTaken(`Another pod has the slug "${pod.slug}". Choose another.`);
  }
  if (pod.serverId !== undefined && !rows.servers.has(pod.serverId)) {
    throw new NoSuchServer(`There is no server "${pod.serverId}".`);
  }
  rows.pods.set(id, newPod(id, pod));
  return id;
}

export function putSecret(rows: Rows, { podId, kind, name }: NewSecret): void {
  podOf(rows, podId);
  const key = JSON.stringify([podId, kind, name]);
  rows.secrets.set(key, { podId, kind, name, createdAt: rows.secrets.get(key)?.createdAt ?? new Date() });
}

/** As `pinacle.enqueue_pod_job`. */
export function enqueue(rows: Rows, job: NewJob): string {
  if (!rows.pods.has(job.podId)) {
    throw new NoSuchPod(`There is no pod "${job.podId}". Insert its row into pods first.`);
  }
  if (!(job.kind in PLANS)) throw new InvalidInput("A job's kind is create, start, stop, restart or destroy.");
  const now = new Date();
  const line = [...rows.jobs.values()].filter((other) => other.podId === job.podId && isUnfinished(other));
  const last = line.at(-1);
  const isSame = last?.status === "queued" && last.kind === job.kind && last.runAt <= (job.runAt ?? now);
  if (isSame) return last.id;
  const id = newId("job");
  rows.jobs.set(id, newJob(id, job));
  if (job.kind === "destroy" && (job.runAt ?? now) <= now) {
    for (const other of line.filter(({ kind }) => kind !== "destroy")) cancelFor(rows, other, "Cancelled: the pod is to be destroyed.");
  }
  return id;
}

/** As `pinacle.cancel_pod_job`. */
export function cancel(rows: Rows, jobId: string): boolean {
  const job = rows.jobs.get(jobId);
  if (!job) throw new NoSuchJob(`There is no job "${jobId}".`);
  if (!isUnfinished(job)) return false;
  cancelFor(rows, job, job.status === "queued" ? "Cancelled on request before it ran." : "Cancelled on request.");
  return true;
}

// A job that runs, or waits for its next attempt, is stopped and cleaned up behind by the worker.
function cancelFor(rows: Rows, job: Job, reason: string): void {
  if (job.status === "queued") rows.jobs.set(job.id, { ...job, status: "cancelled", lastError: reason, finishedAt: new Date() });
  else rows.cancels.set(job.id, reason);
}

/** As `pinacle.requeue_pod`. */
export function requeue(rows: Rows, podId: string, requestedBy: string | undefined): string {
  const pod = rows.pods.get(podId);
  if (!pod) throw new NoSuchPod(`There is no pod "${podId}".`);
  if (pod.status !== "failed") throw new NotFailed(`Pod "${podId}" is ${pod.status}; only a failed pod can be requeued.`);
  const { kind = "create", payload = {}, priority = 0 } = rows.jobs.get(rows.failedJobs.get(podId) ?? "") ?? {};
  return enqueue(rows, { podId, kind, payload: payload as object, priority, runAt: undefined, requestedBy });
}

export function podOf(rows: Rows, podId: string): Pod {
  const pod = rows.pods.get(podId);
  if (!pod) throw new NoSuchPod(`There is no pod "${podId}".`);
  return pod;
}
