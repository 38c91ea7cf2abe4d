import type { NewJob, NewPod, PlacedLogRow, PodEvent } from "../backend.js";
import type { Job, JobStep, Pod, Secret, Server } from "../generated/schema.js";

/** All that a fake database holds. A transaction works on a copy. */
export interface Rows {
  pods: Map<string, Pod>;
  /** In the order of their insertion. */
  jobs: Map<string, Job>;
  steps: Map<string, JobStep[]>;
  secrets: Map<string, Secret>;
  /** Why a job that runs is to be cancelled, by job. */
  cancels: Map<string, string>;
  /** The job that made a pod `failed`, by pod. */
  failedJobs: Map<string, string>;
  /** By pod, in order. */
  logs: Map<string, PlacedLogRow[]>;
  servers: Map<string, Server>;
}

export function noRows(): Rows {
  return {
    pods: new Map(),
    jobs: new Map(),
    steps: new Map(),
    secrets: new Map(),
    cancels: new Map(),
    failedJobs: new Map(),
    logs: new Map(),
    servers: new Map([["server_fake", FAKE_SERVER]]),
  };
}

const SINCE = new Date();
const FAKE_SERVER: Server = {
  id: "server_fake",
  name: "fake",
  connection: "local",
  sshHost: null,
  sshPort: 22,
  sshUser: "root",
  sshHostKey: null,
  bindAddress: "127.0.0.1",
  domain: "localhost",
  status: "online",
  cpuCores: 64,
  memoryMb: 262_144,
  diskGb: 4_096,
  livePods: 0,
  reservedCpuCores: 0,
  reservedMemoryMb: 0,
  reservedDiskGb: 0,
  lastHeartbeatAt: SINCE,
  createdAt: SINCE,
  updatedAt: SINCE,
};

export function newPod(id: string, { name, slug, config, serverId, ownerId }: NewPod): Pod {
  const now = new Date();
  return {
    id,
    name,
    slug,
    ownerId: ownerId ?? null,
    config: structuredClone(config),
    serverId: serverId ?? null,
    status: "pending",
    containerId: null,
    internalIp: null,
    publicUrl: null,
    proxyPort: null,
    lastError: null,
    up: false,
    lastStartedAt: null,
    lastStoppedAt: null,
    destroyedAt: null,
    createdAt: now,
    updatedAt: now,
  };
}

export function newJob(id: string, { podId, kind, payload, runAt, priority, requestedBy }: NewJob): Job {
  const now = new Date();
  return {
    id,
    podId,
    kind,
    payload: structuredClone(payload),
    status: "queued",
    priority,
    runAt: runAt && runAt > now ? runAt : now,
    attempt: 0,
    maxAttempts: 5,
    step: null,
    stepsDone: null,
    stepsTotal: null,
    lastError: null,
    requestedBy: requestedBy ?? null,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
  };
}

export function podEvent({ id, status }: Pod): PodEvent {
  return { podId: id, jobId: null, kind: null, status, step: null, stepsDone: null, stepsTotal: null };
}

export function jobEvent({ id, podId, kind, status, step, stepsDone, stepsTotal }: Job): PodEvent {
  return { podId, jobId: id, kind, status, step, stepsDone, stepsTotal };
}
