// Written by `npm run generate`; a change belongs in the migrations or in the worker's PodConfig.

export type ServerConnection = "ssh" | "local";
export type ServerStatus = "online" | "draining" | "offline";
export type PodStatus = "pending" | "provisioning" | "starting" | "running" | "stopping" | "stopped" | "failed" | "terminating" | "terminated";
export type JobKind = "create" | "start" | "stop" | "restart" | "destroy";
export type JobStatus = "queued" | "running" | "retrying" | "succeeded" | "failed" | "cancelled";
export type JobStepStatus = "running" | "succeeded" | "skipped" | "failed";
export type SecretKind = "env" | "deploy_key";

/** A row of `pinacle.servers`. */
export interface Server {
  id: string;
  name: string;
  connection: ServerConnection;
  sshHost: string | null;
  sshPort: number;
  sshUser: string;
  sshHostKey: string | null;
  bindAddress: string;
  domain: string;
  status: ServerStatus;
  cpuCores: number;
  memoryMb: number;
  diskGb: number;
  livePods: number;
  reservedCpuCores: number;
  reservedMemoryMb: number;
  reservedDiskGb: number;
  lastHeartbeatAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** The columns of a {@link Server}, for a SELECT. */
export const SERVERS_COLUMNS =
  `id, name, connection, ssh_host AS "sshHost", ssh_port AS "sshPort", ssh_user AS "sshUser", ssh_host_key AS "sshHostKey", bind_address AS "bindAddress", domain, status, cpu_cores AS "cpuCores", memory_mb AS "memoryMb", disk_gb AS "diskGb", live_pods::float8 AS "livePods", reserved_cpu_cores::float8 AS "reservedCpuCores", reserved_memory_mb::float8 AS "reservedMemoryMb", reserved_disk_gb::float8 AS "reservedDiskGb", last_heartbeat_at AS "lastHeartbeatAt", created_at AS "createdAt", updated_at AS "updatedAt"`;

/** A row of `pinacle.pods`. */
export interface Pod {
  id: string;
  name: string;
  slug: string;
  ownerId: string | null;
  config: unknown;
  serverId: string | null;
  status: PodStatus;
  containerId: string | null;
  internalIp: string | null;
  publicUrl: string | null;
  proxyPort: number | null;
  lastError: string | null;
  up: boolean;
  lastStartedAt: Date | null;
  lastStoppedAt: Date | null;
  destroyedAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** The columns of a {@link Pod}, for a SELECT. */
export const PODS_COLUMNS =
  `id, name, slug, owner_id AS "ownerId", config, server_id AS "serverId", status, container_id AS "containerId", internal_ip AS "internalIp", public_url AS "publicUrl", proxy_port AS "proxyPort", last_error AS "lastError", up, last_started_at AS "lastStartedAt", last_stopped_at AS "lastStoppedAt", destroyed_at AS "destroyedAt", created_at AS "createdAt", updated_at AS "updatedAt"`;

/** A row of `pinacle.pod_jobs`. */
export interface Job {
  id: string;
  podId: string;
  kind: JobKind;
  payload: unknown;
  status: JobStatus;
  priority: number;
  runAt: Date;
  attempt: number;
  maxAttempts: number;
  step: string | null;
  stepsDone: number | null;
  stepsTotal: number | null;
  lastError: string | null;
  requestedBy: string | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** The columns of a {@link Job}, for a SELECT. */
export const POD_JOBS_COLUMNS =
  `id, pod_id AS "podId", kind, payload, status, priority, run_at AS "runAt", attempt, max_attempts AS "maxAttempts", step, steps_done AS "stepsDone", steps_total AS "stepsTotal", last_error AS "lastError", requested_by AS "requestedBy", created_at AS "createdAt", started_at AS "startedAt", finished_at AS "finishedAt"`;

/** A row of `pinacle.pod_job_steps`. */
export interface JobStep {
  jobId: string;
  position: number;
  name: string;
  status: JobStepStatus;
  attempt: number;
  startedAt: Date;
  finishedAt: Date | null;
  error: string | null;
}

/** The columns of a {@link JobStep}, for a SELECT. */
export const POD_JOB_STEPS_COLUMNS =
  `job_id AS "jobId", position, name, status, attempt, started_at AS "startedAt", finished_at AS "finishedAt", error`;

/** A row of `pinacle.pod_logs`. */
export interface LogRow {
  id: string;
  podId: string;
  timestamp: Date;
  command: string;
  containerCommand: string | null;
  stdout: string | null;
  stderr: string | null;
  exitCode: number | null;
  duration: number | null;
  label: string | null;
  jobId: string | null;
  createdAt: Date;
}

/** The columns of a {@link LogRow}, for a SELECT. */
export const POD_LOGS_COLUMNS =
  `id, pod_id AS "podId", timestamp, command, container_command AS "containerCommand", stdout, stderr, exit_code AS "exitCode", duration, label, job_id AS "jobId", created_at AS "createdAt"`;

/** A row of `pinacle.pod_secrets`. */
export interface Secret {
  podId: string;
  kind: SecretKind;
  name: string;
  createdAt: Date;
}

/** The columns of a {@link Secret}, for a SELECT. */
export const POD_SECRETS_COLUMNS =
  `pod_id AS "podId", kind, name, created_at AS "createdAt"`;
