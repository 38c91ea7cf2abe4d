-- The tables the web app and the worker share. Columns after the comment "the worker's own" are
-- internal: nothing outside the worker may rely on them.

CREATE FUNCTION pinacle_id(prefix text) RETURNS text
LANGUAGE sql VOLATILE
RETURN prefix || '_' || replace(gen_random_uuid()::text, '-', '');

CREATE TABLE servers (
    id                text PRIMARY KEY DEFAULT pinacle_id('server'),
    name              text NOT NULL UNIQUE CONSTRAINT servers_name_is_not_blank CHECK (name ~ '\S'),
    connection        text NOT NULL DEFAULT 'ssh'
                      CONSTRAINT servers_connection_is_known CHECK (connection IN ('ssh', 'local')),
    ssh_host          text,
    ssh_port          int NOT NULL DEFAULT 22
                      CONSTRAINT servers_ssh_port_is_a_port CHECK (ssh_port BETWEEN 1 AND 65535),
    ssh_user          text NOT NULL DEFAULT 'root',
    ssh_host_key      text,
    bind_address      text NOT NULL DEFAULT '127.0.0.1',
    domain            text NOT NULL DEFAULT 'localhost',
    status            text NOT NULL DEFAULT 'online'
                      CONSTRAINT servers_status_is_known CHECK (status IN ('online', 'draining', 'offline')),
    cpu_cores         real NOT NULL CONSTRAINT servers_cpu_cores_is_positive CHECK (cpu_cores > 0),
    memory_mb         int NOT NULL CONSTRAINT servers_memory_mb_is_positive CHECK (memory_mb > 0),
    disk_gb           int NOT NULL CONSTRAINT servers_disk_gb_is_positive CHECK (disk_gb > 0),
    last_heartbeat_at timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT servers_ssh_needs_a_host CHECK (connection <> 'ssh' OR ssh_host IS NOT NULL)
);

CREATE TABLE pods (
    -- Docker's names, the fence file and the bridge are made from the id, so it must be fit for all of them.
    id              text PRIMARY KEY DEFAULT pinacle_id('pod')
                    CONSTRAINT pods_id_is_fit_for_names CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'),
    name            text NOT NULL,
    slug            text NOT NULL
                    CONSTRAINT pods_slug_is_a_dns_label CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    config          jsonb NOT NULL DEFAULT '{}',
    server_id       text REFERENCES servers (id),
    status          text NOT NULL DEFAULT 'pending'
                    CONSTRAINT pods_status_is_known CHECK (status IN ('pending', 'provisioning', 'starting', 'running',
                        'stopping', 'stopped', 'failed', 'terminating', 'terminated')),
    container_id    text,
    internal_ip     text,
    public_url      text,
    proxy_port      int CONSTRAINT pods_proxy_port_is_in_range CHECK (proxy_port BETWEEN 30000 AND 40000),
    last_error      text,
    last_started_at timestamptz,
    last_stopped_at timestamptz,
    destroyed_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),

    -- the worker's own
    lease           bigint NOT NULL DEFAULT 0,       -- the fencing token: only ever grows
    failed_job_id   text,                            -- the job that made the pod `failed`
    cpu_cores       real,                            -- what the pod reserves of its server while it is placed
    memory_mb       int,
    disk_gb         int
);

CREATE UNIQUE INDEX pods_slug_of_live_pods ON pods (slug) WHERE destroyed_at IS NULL;
CREATE UNIQUE INDEX pods_proxy_port_of_live_pods ON pods (server_id, proxy_port) WHERE destroyed_at IS NULL;
CREATE INDEX pods_of_a_server ON pods (server_id) WHERE destroyed_at IS NULL;
CREATE INDEX pods_by_status ON pods (status) WHERE destroyed_at IS NULL;

CREATE TABLE pod_jobs (
    id           text PRIMARY KEY DEFAULT pinacle_id('job'),
    pod_id       text NOT NULL REFERENCES pods (id) ON DELETE CASCADE,
    kind         text NOT NULL
                 CONSTRAINT pod_jobs_kind_is_known CHECK (kind IN ('create', 'start', 'stop', 'restart', 'destroy')),
    payload      jsonb NOT NULL DEFAULT '{}',
    status       text NOT NULL DEFAULT 'queued'
                 CONSTRAINT pod_jobs_status_is_known
                 CHECK (status IN ('queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled')),
    priority     int NOT NULL DEFAULT 0,
    run_at       timestamptz NOT NULL DEFAULT now(),
    attempt      int NOT NULL DEFAULT 0,
    max_attempts int NOT NULL DEFAULT 5 CONSTRAINT pod_jobs_max_attempts_is_positive CHECK (max_attempts > 0),
    step         text,
    steps_done   int,
    steps_total  int,
    last_error   text,
    requested_by text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,

    -- the worker's own
    position            bigint NOT NULL,   -- the place in the pod's line, set by a trigger
    lease               bigint,            -- the pod's lease when it was claimed
    worker              text,              -- who runs it
    heartbeat_at        timestamptz,
    deadline_at         timestamptz,
    cancel_requested_at timestamptz,
    cancel_reason       text
);

-- One live execution a pod: the invariant, where no code can break it.
CREATE UNIQUE INDEX pod_jobs_one_running_per_pod ON pod_jobs (pod_id) WHERE status = 'running';
CREATE INDEX pod_jobs_line ON pod_jobs (pod_id, position);
CREATE INDEX pod_jobs_unfinished ON pod_jobs (status, run_at) WHERE status IN ('queued', 'retrying', 'running');
CREATE INDEX pod_jobs_of_a_worker ON pod_jobs (worker) WHERE status = 'running';
CREATE INDEX pod_jobs_by_creation ON pod_jobs (created_at);

CREATE TABLE pod_job_steps (
    job_id      text NOT NULL REFERENCES pod_jobs (id) ON DELETE CASCADE,
    position    int NOT NULL,
    name        text NOT NULL,
    status      text NOT NULL
                CONSTRAINT pod_job_steps_status_is_known CHECK (status IN ('running', 'succeeded', 'skipped', 'failed')),
    attempt     int NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    error       text,
    PRIMARY KEY (job_id, position)
);

CREATE TABLE pod_logs (
    id                text PRIMARY KEY DEFAULT pinacle_id('pod_log'),
    pod_id            text NOT NULL,
    timestamp         timestamptz NOT NULL DEFAULT now(),
    command           text NOT NULL,
    container_command text,
    stdout            text DEFAULT '',
    stderr            text DEFAULT '',
    exit_code         int,
    duration          int,
    label             text,
    job_id            text,
    created_at        timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX pod_logs_of_a_pod ON pod_logs (pod_id, timestamp);
CREATE INDEX pod_logs_a_user_sees ON pod_logs (pod_id, timestamp) WHERE container_command IS NOT NULL;
CREATE INDEX pod_logs_by_age ON pod_logs (created_at);
CREATE INDEX pod_logs_in_progress ON pod_logs (pod_id) WHERE exit_code IS NULL;
-- A pod's log is read in order, by its index. Where the planner counts on some tens of rows a pod it takes them for
-- scattered, and collects and sorts them all before it gives the first.
ALTER TABLE pod_logs ALTER COLUMN pod_id SET (n_distinct = -1), ALTER COLUMN pod_id SET STATISTICS 1;

CREATE TABLE pod_secrets (
    pod_id     text NOT NULL REFERENCES pods (id) ON DELETE CASCADE,
    kind       text NOT NULL CONSTRAINT pod_secrets_kind_is_known CHECK (kind IN ('env', 'deploy_key')),
    name       text NOT NULL,
    value      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pod_id, kind, name)
);

-- A cron tick is a row: the worker that inserts it does the work, the others find it taken.
CREATE TABLE schedule_ticks (
    task    text NOT NULL,
    tick_at timestamptz NOT NULL,
    PRIMARY KEY (task, tick_at)
);

CREATE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE TRIGGER servers_touch BEFORE UPDATE ON servers FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER pods_touch BEFORE UPDATE ON pods FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
