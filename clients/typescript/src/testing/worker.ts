import type { PodConfig } from "../generated/pod-config.js";
import type { Job, JobKind, Pod, PodStatus } from "../generated/schema.js";
import type { MemoryBackend } from "./memory.js";
import { PLANS, USER_STEPS } from "./plans.js";
import { isUnfinished } from "./rules.js";
import type { Rows } from "./rows.js";
import { addLog, setJob, setLog, setPod, setStep } from "./writes.js";

export interface CommandResult {
  /** 0 if left out. */
  exitCode?: number | undefined;
  stdout?: string | undefined;
  stderr?: string | undefined;
}

/** Decides what a command in a pod does. */
export type RunCommand = (command: string, podId: string) => CommandResult | Promise<CommandResult>;

const FIRST_PORT = 30_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Takes the jobs of a fake client through the states that the worker takes them through. */
export class FakeWorker {
  readonly #backend: MemoryBackend;
  readonly #run: RunCommand;
  #failures: { step: string; error: string }[] = [];
  #ports = FIRST_PORT;
  #rows = 0;

  constructor(backend: MemoryBackend, run: RunCommand) {
    this.#backend = backend;
    this.#run = run;
  }

  /** The next time that a job comes to this step, it fails there, as if the host did. It is tried again. */
  failNext(step: string, error: string): void {
    this.#failures.push({ step, error });
  }

  /** Takes jobs until none is due. */
  async run(): Promise<void> {
    for (;;) {
      const job = await this.#backend.change((rows) => this.#claim(rows));
      if (!job) return;
      await this.#execute(job);
    }
  }

  /** Takes jobs as they come, until the signal is aborted. */
  async runUntil(signal: AbortSignal): Promise<void> {
    const changes = this.#backend.subscribe(undefined);
    try {
      while (!signal.aborted) {
        await this.run();
        const dueIn = await this.#backend.change(({ jobs }) => untilNext([...jobs.values()]));
        const timer = dueIn === undefined ? undefined : setTimeout(() => changes.notify(), dueIn);
        await changes.changed(signal).finally(() => clearTimeout(timer));
        changes.take();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      changes.close();
    }
  }

  // The first of each pod's line that is due, by priority.
  #claim(rows: Rows): Job | undefined {
    const now = new Date();
    const next = new Map<string, Job>();
    for (const job of rows.jobs.values()) {
      const isDue = isUnfinished(job) && (job.status !== "queued" || job.runAt <= now);
      if (isDue && !next.has(job.podId)) next.set(job.podId, job);
    }
    const [first] = [...next.values()].filter(({ status }) => status !== "running").sort((a, b) => b.priority - a.priority);
    if (!first) return undefined;
    const claimed: Job = { ...first, status: "running", attempt: first.attempt + 1, startedAt: first.startedAt ?? now };
    rows.jobs.set(claimed.id, claimed);
    return claimed;
  }

  async #execute({ id, kind, podId }: Job): Promise<void> {
    const plan = PLANS[kind];
    const refusal = await this.#backend.change((rows) => {
      const reason = misfit(kind, rows.pods.get(podId)!);
      if (reason) setJob(rows, id, { status: "failed", lastError: reason, finishedAt: new Date() });
      else setPod(rows, podId, { status: plan.transitional, lastError: null });
      return reason;
    });
    if (refusal) return;
    for (const [position, name] of plan.steps.entries()) {
      await this.#backend.change((rows) => {
        setJob(rows, id, { step: name, stepsDone: position, stepsTotal: plan.steps.length });
        setStep(rows, id, position, name, null);
      });
      const error = await this.#step(name, id, podId);
      await this.#backend.change((rows) => setStep(rows, id, position, name, { error }));
      const hasEnded = await this.#backend.change((rows) => isCancelled(rows, id) || (error !== null && fail(rows, id, name, error)));
      if (hasEnded) return;
    }
    await this.#backend.change((rows) => {
      setJob(rows, id, { status: "succeeded", stepsDone: plan.steps.length, lastError: null, finishedAt: new Date() });
      setPod(rows, podId, { status: plan.target, ...facts(plan.target, rows.pods.get(podId)!, () => this.#ports++) });
      if (kind === "destroy") forget(rows, podId);
    });
  }

  // Returns why it failed.
  async #step(name: string, jobId: string, podId: string): Promise<string | null> {
    const failure = this.#failures.find(({ step }) => step === name);
    if (failure) {
      this.#failures = this.#failures.filter((other) => other !== failure);
      return failure.error;
    }
    const pod = await this.#backend.pod(podId);
    for (const command of commands(name, pod?.config as PodConfig)) {
      const logId = await this.#backend.change((rows) => addLog(rows, podId, jobId, name, command, (this.#rows += 1)));
      const began = Date.now();
      const { exitCode = 0, stdout = "", stderr = "" } = await this.#result(command, podId);
      const duration = Date.now() - began;
      await this.#backend.change((rows) => setLog(rows, podId, logId, { exitCode, stdout, stderr, duration }));
      if (exitCode !== 0) return `\`${command}\` exited with code ${exitCode}${stderr ? `: ${stderr.trim()}` : ""}`;
    }
    return null;
  }

  // A test's own mistake is seen in the log, and the job ends.
  async #result(command: string, podId: string): Promise<CommandResult> {
    try {
      return await this.#run(command, podId);
    } catch (error) {
      return { exitCode: 255, stderr: String(error) };
    }
  }
}

// The job ends as it was asked to, whatever became of its step.
function isCancelled(rows: Rows, jobId: string): boolean {
  const reason = rows.cancels.get(jobId);
  if (reason === undefined) return false;
  rows.cancels.delete(jobId);
  end(rows, jobId, "cancelled", reason, {});
  return true;
}

function fail(rows: Rows, jobId: string, step: string, error: string): boolean {
  const { attempt, maxAttempts } = rows.jobs.get(jobId)!;
  if (USER_STEPS.includes(step)) end(rows, jobId, "failed", error, { up: true });
  else if (attempt < maxAttempts) setJob(rows, jobId, { status: "retrying", lastError: error });
  else end(rows, jobId, "failed", `${error} (gave up after ${attempt} attempts)`, {});
  return true;
}

// The pod is `failed`, by this job.
function end(rows: Rows, jobId: string, status: "failed" | "cancelled", lastError: string, change: Partial<Pod>): void {
  const { podId } = rows.jobs.get(jobId)!;
  setJob(rows, jobId, { status, lastError, finishedAt: new Date() });
  setPod(rows, podId, { status: "failed", lastError, ...change });
  rows.failedJobs.set(podId, jobId);
}

function forget(rows: Rows, podId: string): void {
  for (const [key, secret] of rows.secrets) if (secret.podId === podId) rows.secrets.delete(key);
}

// How long until a job that waits for its time is due, in milliseconds.
function untilNext(jobs: Job[]): number | undefined {
  const waiting = jobs.filter(({ status }) => status === "queued").map(({ runAt }) => runAt.getTime());
  return waiting.length === 0 ? undefined : Math.min(Math.max(Math.min(...waiting) - Date.now(), 0), LONGEST_TIMER_MS);
}

// Why a kind of job makes no sense for a pod, as the worker says it.
function misfit(kind: JobKind, { status, serverId }: Pod): string | null {
  if (kind === "destroy") return null;
  if (status === "terminated") return `cannot ${kind} the pod: it was destroyed. Insert a new pod instead`;
  if (kind === "create") return null;
  if (status === "pending") return `cannot ${kind} the pod: it was never created. Ask for a create, or for a destroy`;
  if (serverId === null) return `cannot ${kind} the pod: nothing of it is left on a host. Ask for a create, or for a destroy`;
  return null;
}

// What a pod is known by once a job has brought it where it should be.
function facts(target: PodStatus, { slug, proxyPort }: Pod, newPort: () => number): Partial<Pod> {
  const now = new Date();
  if (target === "stopped") return { up: false, lastStoppedAt: now };
  if (target === "terminated") {
    return { up: false, destroyedAt: now, containerId: null, internalIp: null, publicUrl: null, proxyPort: null, serverId: null };
  }
  const port = proxyPort ?? newPort();
  return {
    up: true,
    lastStartedAt: now,
    serverId: "server_fake",
    containerId: `container-${slug}`,
    internalIp: "10.0.0.2",
    proxyPort: port,
    publicUrl: `http://pod-${slug}.localhost:${port}`,
  };
}

// The commands of the config that a step runs in the pod.
function commands(step: string, { install, hooks, processes }: PodConfig): string[] {
  if (step === "install") return [install ?? []].flat();
  if (step === "preStart" || step === "postStart") return hooks?.[step] ?? [];
  return step === "processes" ? (processes ?? []).map(({ startCommand }) => startCommand) : [];
}
