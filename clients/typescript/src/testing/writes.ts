import type { PlacedLogRow } from "../backend.js";
import type { Job, Pod } from "../generated/schema.js";
import type { Rows } from "./rows.js";

// What the worker writes. A row is replaced, never changed in place: by that, what has changed is announced.

export function setPod(rows: Rows, id: string, change: Partial<Pod>): void {
  rows.pods.set(id, { ...rows.pods.get(id)!, ...change, updatedAt: new Date() });
}

export function setJob(rows: Rows, id: string, change: Partial<Job>): void {
  rows.jobs.set(id, { ...rows.jobs.get(id)!, ...change });
}

/** Writes that a step begins, or with `end` that it has ended. */
export function setStep(rows: Rows, jobId: string, position: number, name: string, end: { error: string | null } | null): void {
  const steps = rows.steps.get(jobId) ?? [];
  const before = steps[position];
  const { attempt } = rows.jobs.get(jobId)!;
  const step = {
    jobId,
    position,
    name,
    status: end === null ? "running" : end.error === null ? "succeeded" : "failed",
    attempt,
    startedAt: end && before ? before.startedAt : new Date(),
    finishedAt: end && new Date(),
    error: end && end.error,
  } as const;
  rows.steps.set(jobId, [...steps.slice(0, position), step, ...steps.slice(position + 1)]);
}

/** Writes the row of a command that begins, and returns its id. */
export function addLog(rows: Rows, podId: string, jobId: string, label: string, command: string, number: number): string {
  const id = `pod_log_${String(number).padStart(8, "0")}`;
  const row: PlacedLogRow = {
    id,
    micros: String(number),
    timestamp: new Date(),
    command: `docker exec pinacle-pod-${podId} sh -c '${command}'`,
    containerCommand: command,
    stdout: "",
    stderr: "",
    stdoutFrom: 0,
    stderrFrom: 0,
    exitCode: null,
    duration: null,
    label,
    jobId,
  };
  rows.logs.set(podId, [...(rows.logs.get(podId) ?? []), row]);
  return id;
}

export function setLog(rows: Rows, podId: string, id: string, change: Partial<PlacedLogRow>): void {
  rows.logs.set(podId, rows.logs.get(podId)!.map((row) => (row.id === id ? { ...row, ...change } : row)));
}
