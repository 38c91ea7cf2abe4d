// Written by `npm run generate`; a change belongs in the migrations or in the worker's PodConfig.
import { bigint, boolean, integer, jsonb, numeric, pgSchema, real, text, timestamp } from "drizzle-orm/pg-core";

import type { ServerConnection, ServerStatus, PodStatus, JobKind, JobStatus, JobStepStatus, SecretKind } from "./schema.js";

const pinacle = pgSchema("pinacle");

export const servers = pinacle
  .view("servers", {
    id: text("id").notNull(),
    name: text("name").notNull(),
    connection: text("connection").$type<ServerConnection>().notNull(),
    sshHost: text("ssh_host"),
    sshPort: integer("ssh_port").notNull(),
    sshUser: text("ssh_user").notNull(),
    sshHostKey: text("ssh_host_key"),
    bindAddress: text("bind_address").notNull(),
    domain: text("domain").notNull(),
    status: text("status").$type<ServerStatus>().notNull(),
    cpuCores: real("cpu_cores").notNull(),
    memoryMb: integer("memory_mb").notNull(),
    diskGb: integer("disk_gb").notNull(),
    livePods: bigint("live_pods", { mode: "number" }).notNull(),
    reservedCpuCores: numeric("reserved_cpu_cores", { mode: "number" }).notNull(),
    reservedMemoryMb: bigint("reserved_memory_mb", { mode: "number" }).notNull(),
    reservedDiskGb: bigint("reserved_disk_gb", { mode: "number" }).notNull(),
    lastHeartbeatAt: timestamp("last_heartbeat_at", { withTimezone: true }),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
    updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
  })
  .existing();

export const pods = pinacle
  .view("pods", {
    id: text("id").notNull(),
    name: text("name").notNull(),
    slug: text("slug").notNull(),
    ownerId: text("owner_id"),
    config: jsonb("config").notNull(),
    serverId: text("server_id"),
    status: text("status").$type<PodStatus>().notNull(),
    containerId: text("container_id"),
    internalIp: text("internal_ip"),
    publicUrl: text("public_url"),
    proxyPort: integer("proxy_port"),
    lastError: text("last_error"),
    up: boolean("up").notNull(),
    lastStartedAt: timestamp("last_started_at", { withTimezone: true }),
    lastStoppedAt: timestamp("last_stopped_at", { withTimezone: true }),
    destroyedAt: timestamp("destroyed_at", { withTimezone: true }),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
    updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
  })
  .existing();

export const podJobs = pinacle
  .view("pod_jobs", {
    id: text("id").notNull(),
    podId: text("pod_id").notNull(),
    kind: text("kind").$type<JobKind>().notNull(),
    payload: jsonb("payload").notNull(),
    status: text("status").$type<JobStatus>().notNull(),
    priority: integer("priority").notNull(),
    runAt: timestamp("run_at", { withTimezone: true }).notNull(),
    attempt: integer("attempt").notNull(),
    maxAttempts: integer("max_attempts").notNull(),
    step: text("step"),
    stepsDone: integer("steps_done"),
    stepsTotal: integer("steps_total"),
    lastError: text("last_error"),
    requestedBy: text("requested_by"),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
    startedAt: timestamp("started_at", { withTimezone: true }),
    finishedAt: timestamp("finished_at", { withTimezone: true }),
  })
  .existing();

export const podJobSteps = pinacle
  .view("pod_job_steps", {
    jobId: text("job_id").notNull(),
    position: integer("position").notNull(),
    name: text("name").notNull(),
    status: text("status").$type<JobStepStatus>().notNull(),
    attempt: integer("attempt").notNull(),
    startedAt: timestamp("started_at", { withTimezone: true }).notNull(),
    finishedAt: timestamp("finished_at", { withTimezone: true }),
    error: text("error"),
  })
  .existing();

export const podLogs = pinacle
  .view("pod_logs", {
    id: text("id").notNull(),
    podId: text("pod_id").notNull(),
    timestamp: timestamp("timestamp", { withTimezone: true }).notNull(),
    command: text("command").notNull(),
    containerCommand: text("container_command"),
    stdout: text("stdout"),
    stderr: text("stderr"),
    exitCode: integer("exit_code"),
    duration: integer("duration"),
    label: text("label"),
    jobId: text("job_id"),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  })
  .existing();

export const podSecrets = pinacle
  .view("pod_secrets", {
    podId: text("pod_id").notNull(),
    kind: text("kind").$type<SecretKind>().notNull(),
    name: text("name").notNull(),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  })
  .existing();
