import type { PodConfig } from "../generated/pod-config.js";
import type { Job, JobKind, Pod, PodStatus } from "../generated/schema.js";
import type { MemoryBackend } from "./memory.js";
import { PLANS, USER_STEPS } from "./plans.js";
import { isUnfinished } from "./rules.js";
import type { Rows } from "./rows.js";
import { addLog, setJob, setLog, setPod, setStep } from "./writes.js";

export interface CommandResult {
  /** 0 if left out. */
  exitCode?: number;
  stdout?: string;
  stderr?: string;
}

/** Decides what a command in a pod does. */
export type RunCommand = (command: string, podId: string) => CommandResult | Promise<CommandResult>;

const FIRST_PORT = 30_000;

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
      for (;;) {
        await changes.changed(signal);
        changes.take();
        await this.run();
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
      const isRunning = await this.#backend.change((rows) => {
        if (rows.jobs.get(id)?.status !== "running") return false;
        setJob(rows, id, { step: name, stepsDone: position, stepsTotal: plan.steps.length });
        setStep(rows, id, position, name, null);
        return true;
      });
      // It was cancelled.
      if (!isRunning) return;
      const error = await this.#step(name, id, podId);
      await this.#backend.change((rows) => setStep(rows, id, position, name, { error }));
      if (error !== null) return this.#fail(id, podId, name, error);
    }
    await this.#backend.change((rows) => {
      const now = new Date();
      if (rows.jobs.get(id)?.status !== "running") return;
      setJob(rows, id, { status: "succeeded", stepsDone: plan.steps.length, finishedAt: now });
      setPod(rows, podId, { status: plan.target, ...facts(plan.target, rows.pods.get(podId)!, () => this.#ports++) });
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
      const { exitCode = 0, stdout = "", stderr = "" } = await this.#run(command, podId);
      const duration = Date.now() - began;
      await this.#backend.change((rows) => setLog(rows, podId, logId, { exitCode, stdout, stderr, duration }));
      if (exitCode !== 0) return `\`${command}\` exited with code ${exitCode}${stderr ? `: ${stderr.trim()}` : ""}`;
    }
    return null;
  }

  #fail(jobId: string, podId: string, step: string, error: string): Promise<void> {
    return this.#backend.change((rows) => {
      const { attempt, maxAttempts } = rows.jobs.get(jobId)!;
      if (!USER_STEPS.includes(step) && attempt < maxAttempts) {
        setJob(rows, jobId, { status: "retrying", lastError: error });
        return;
      }
      const up = USER_STEPS.includes(step);
      setJob(rows, jobId, { status: "failed", lastError: error, finishedAt: new Date() });
      setPod(rows, podId, { status: "failed", lastError: error, up });
    });
  }
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
