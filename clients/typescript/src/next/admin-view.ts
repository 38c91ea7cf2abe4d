import type { Job, JobStep, Pod, Server } from "../generated/schema.js";

/** What an admin may be granted. */
export const ADMIN_ACTIONS = ["read", "requeue", "requeueFailed", "cancel"] as const;
export type AdminAction = (typeof ADMIN_ACTIONS)[number];

/** Which of the failed pods; all where it is empty. */
export interface AdminFilter {
  ownerId?: string;
  serverId?: string;
}

/** What is sent to be done. Who asks is not in it: the server says that. */
export type AdminRequest =
  | { action: "requeue"; podId: string }
  | { action: "requeueFailed"; filter: AdminFilter }
  | { action: "cancel"; jobId: string };

// What a page shows, as JSON has it. A pod's config and a host's address stay on the server.
type Json<T> = { [Key in keyof T]: T[Key] extends Date ? string : T[Key] extends Date | null ? string | null : T[Key] };
export type AdminPod = Json<Pick<Pod, (typeof POD_FIELDS)[number]>>;
export type AdminJob = Json<Pick<Job, (typeof JOB_FIELDS)[number]>>;
export type AdminStep = Json<Pick<JobStep, (typeof STEP_FIELDS)[number]>>;
export type AdminServer = Json<Pick<Server, (typeof SERVER_FIELDS)[number]>>;

export interface AdminView {
  failedPods: AdminPod[];
  /** There are more failed pods than are told. */
  hasMoreFailed: boolean;
  /** The newest first. */
  jobs: AdminJob[];
  servers: AdminServer[];
  granted: AdminAction[];
}

export const POD_FIELDS = ["id", "name", "slug", "ownerId", "serverId", "status", "lastError", "up", "updatedAt"] as const;
export const JOB_FIELDS = [
  ...(["id", "podId", "kind", "status", "attempt", "maxAttempts", "step", "stepsDone", "stepsTotal"] as const),
  ...(["lastError", "requestedBy", "createdAt", "startedAt", "finishedAt"] as const),
] as const;
export const STEP_FIELDS = ["position", "name", "status", "attempt", "startedAt", "finishedAt", "error"] as const;
export const SERVER_FIELDS = [
  ...(["id", "name", "status", "livePods", "cpuCores", "memoryMb", "diskGb"] as const),
  ...(["reservedCpuCores", "reservedMemoryMb", "reservedDiskGb", "lastHeartbeatAt"] as const),
] as const;

/** The object with these fields alone. */
export function only<T extends object, const Fields extends readonly (keyof T)[]>(row: T, fields: Fields): Json<Pick<T, Fields[number]>> {
  const kept = fields.map((field) => {
    const value = row[field];
    return [field, value instanceof Date ? value.toISOString() : value];
  });
  return Object.fromEntries(kept) as Json<Pick<T, Fields[number]>>;
}
