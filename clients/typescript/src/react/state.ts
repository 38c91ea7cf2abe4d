import type { PodEvent } from "../backend.js";
import type { JobKind, JobStatus, PodStatus } from "../generated/schema.js";
import type { Connection } from "./connect.js";

/** A {@link PodEvent} of a job. */
export type JobState = PodEvent & { jobId: string; kind: JobKind; status: JobStatus };

export interface PodState {
  /** Null until it is known. */
  pod: { podId: string; status: PodStatus } | null;
  /** The job that runs or was last. */
  job: JobState | null;
  connection: Connection;
}

export const NO_STATE: PodState = { pod: null, job: null, connection: "connecting" };

/** The state after an event. The first job that a connection tells of replaces what another connection told. */
export function nextState(state: PodState, event: PodEvent, isFirst: boolean): PodState {
  if (event.jobId === null) return { ...state, pod: { podId: event.podId, status: event.status as PodStatus } };
  const told = event as JobState;
  return { ...state, job: isFirst ? told : laterJob(state.job, told) };
}

// A job that waits behind one that runs is told of when its turn comes.
function laterJob(before: JobState | null, told: JobState): JobState {
  const isSame = before === null || before.jobId === told.jobId;
  return isSame || isActive(told) || isOver(before) ? told : before;
}

export function isActive({ status }: JobState): boolean {
  return status === "running" || status === "retrying";
}

export function isOver({ status }: JobState): boolean {
  return status === "succeeded" || status === "failed" || status === "cancelled";
}
