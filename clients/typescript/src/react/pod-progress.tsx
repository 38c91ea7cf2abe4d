import type { JobKind } from "../generated/schema.js";
import { isOver, type JobState, type PodState } from "./state.js";
import { usePod } from "./use-pod.js";

export interface PodProgressProps {
  /** Where `podRoute` responds, such as `/api/pods/pod_1/stream`. */
  url: string;
}

/** How far the pod's job is, and what the pod is at. */
export function PodProgress({ url }: PodProgressProps) {
  const state = usePod(url);
  const { job } = state;
  const text = sentence(state);
  const status = job?.status ?? "none";
  return (
    <div className="pinacle-progress" data-status={status}>
      {job && job.stepsTotal !== null && (
        <div
          className="pinacle-progress-track"
          role="progressbar"
          aria-label={`${GERUNDS[job.kind]} the pod`}
          aria-valuemin={0}
          aria-valuemax={job.stepsTotal}
          aria-valuenow={job.stepsDone ?? 0}
          aria-valuetext={text}
        >
          <div className="pinacle-progress-bar" style={{ width: `${(100 * (job.stepsDone ?? 0)) / Math.max(job.stepsTotal, 1)}%` }} />
        </div>
      )}
      <p className="pinacle-progress-text" aria-live="polite">
        {text}
      </p>
    </div>
  );
}

const GERUNDS: Record<JobKind, string> = {
  create: "Creating",
  start: "Starting",
  stop: "Stopping",
  restart: "Restarting",
  destroy: "Destroying",
};

function sentence({ pod, job, connection }: PodState): string {
  if (connection === "refused") return "You may not see this pod, or there is none.";
  if (connection === "lost") return "The connection is lost; trying again …";
  if (!pod) return "Looking …";
  if (!job) return `The pod is ${pod.status}`;
  return isOver(job) ? ended(job, pod.status) : running(job);
}

function running({ kind, status, step, stepsDone, stepsTotal }: JobState): string {
  if (status === "queued") return `${GERUNDS[kind]}: waiting for its turn`;
  const count = stepsTotal === null ? "" : ` (${Math.min((stepsDone ?? 0) + 1, stepsTotal)} of ${stepsTotal})`;
  const retry = status === "retrying" ? ", to be tried again" : "";
  return `${GERUNDS[kind]}${step === null ? "" : `: ${step}`}${count}${retry}`;
}

function ended({ kind, status, step }: JobState, podStatus: string): string {
  if (status === "succeeded") return `The pod is ${podStatus}`;
  return `${GERUNDS[kind]} ${status === "failed" ? "failed" : "was cancelled"}${step === null ? "" : ` at: ${step}`}`;
}
