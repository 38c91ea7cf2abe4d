INSERT INTO servers (id, name, connection, ssh_host, ssh_port, ssh_user, ssh_host_key, status, cpu_cores, memory_mb, disk_gb, last_heartbeat_at)
VALUES ('server_01', 'one', 'ssh', '192.0.2.1', 2222, 'pinacle', 'ssh-ed25519 AAAA', 'online', 8, 16384, 200, '2026-01-02T03:04:05Z'),
       ('server_01_local', 'one-local', 'local', NULL, 22, 'root', NULL, 'draining', 0.5, 512, 10, NULL),
       ('server_01_off', 'one-off', 'ssh', 'old.example.com', 22, 'root', NULL, 'offline', 1, 1, 1, NULL);

-- One in each state: half of them hold a place, which a placement counts.
INSERT INTO pods (id, name, slug, config, status, lease, last_error)
SELECT 'pod_01_' || s, 'Pod that is ' || s, '1-' || s, '{"tier": "dev.small", "environment": {"A": "ä\"$(id)"}}', s, 3,
       CASE WHEN s = 'failed' THEN 'the host is on fire' END
FROM unnest(ARRAY['pending', 'provisioning', 'starting', 'running', 'stopping', 'stopped', 'failed', 'terminating', 'terminated']) s;
UPDATE pods SET server_id = 'server_01', proxy_port = 30001, container_id = 'c1', internal_ip = '10.1.0.2',
       public_url = 'http://1-running.localhost', cpu_cores = 0.5, memory_mb = 1024, disk_gb = 10, last_started_at = now()
WHERE id = 'pod_01_running';
UPDATE pods SET server_id = 'server_01', proxy_port = 30002, container_id = 'c2', cpu_cores = 1.1, memory_mb = 2048, disk_gb = 20,
       last_started_at = now(), last_stopped_at = now()
WHERE id = 'pod_01_stopped';
UPDATE pods SET server_id = 'server_01', failed_job_id = 'job_01_create_failed' WHERE id = 'pod_01_failed';
-- Destroyed, with a port that another has by now; it reserves nothing.
UPDATE pods SET server_id = 'server_01', proxy_port = 30001, cpu_cores = 4, memory_mb = 8192, disk_gb = 100, destroyed_at = now()
WHERE id = 'pod_01_terminated';
INSERT INTO pods (id, name, slug) VALUES ('pod_01_long', '', repeat('l', 63));

-- Jobs of each kind and status.
INSERT INTO pods (id, name, slug, config)
SELECT 'pod_01_' || k || '_' || s, k, '1-' || k || '-' || s, '[]'
FROM unnest(ARRAY['create', 'start', 'stop', 'restart', 'destroy']) k,
     unnest(ARRAY['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled']) s;
INSERT INTO pod_jobs (id, pod_id, kind, status, position, payload, priority, run_at, attempt, requested_by)
SELECT replace(p.id, 'pod', 'job'), p.id, p.name, split_part(p.id, '_', 4), row_number() OVER (ORDER BY p.id),
       '{"a": [1, null]}', -1, '2026-01-01', 1, 'user_1'
FROM pods p WHERE p.id ~ '^pod_01_[a-z]+_[a-z]+$';
UPDATE pod_jobs SET lease = 1, worker = 'w', heartbeat_at = now(), deadline_at = now() + interval '30 minutes', started_at = now(),
       step = 'container', steps_done = 3, steps_total = 9
WHERE status = 'running';
UPDATE pod_jobs SET cancel_requested_at = now(), cancel_reason = 'Cancelled on request.' WHERE id = 'job_01_restart_running';
UPDATE pod_jobs SET started_at = now(), finished_at = now(), last_error = CASE WHEN status <> 'succeeded' THEN 'no more: ' || status END
WHERE status IN ('succeeded', 'failed', 'cancelled');

INSERT INTO pod_job_steps (job_id, position, name, status, attempt, finished_at, error)
VALUES ('job_01_create_running', 0, 'placement', 'succeeded', 1, now(), NULL),
       ('job_01_create_running', 1, 'network', 'skipped', 1, now(), NULL),
       ('job_01_create_running', 2, 'container', 'running', 1, NULL, NULL),
       ('job_01_create_failed', 0, 'container', 'failed', 5, now(), 'exit code 1'),
       -- As a worker left it that died.
       ('job_01_create_failed', 1, 'install', 'running', 5, NULL, NULL),
       ('job_01_create_retrying', 0, 'container', 'running', 1, NULL, NULL);

INSERT INTO pod_logs (id, pod_id, command, container_command, stdout, stderr, exit_code, duration, label, job_id)
VALUES ('log_01_ran', 'pod_01_running', 'docker exec …', 'npm ci', repeat('ü', 100000), E'\\x \t', 0, 5, 'install', 'job_01_create_succeeded'),
       ('log_01_host', 'pod_01_running', 'docker network create', NULL, '', NULL, 255, 2147483647, NULL, NULL),
       ('log_01_runs', 'pod_01_create_running', 'docker exec …', 'sleep 9', NULL, NULL, NULL, NULL, NULL, 'job_01_create_running'),
       ('log_01_of_nobody', 'pod that is gone', '', '', '', '', 1, 0, '', '');
INSERT INTO pod_secrets (pod_id, kind, name, value)
VALUES ('pod_01_running', 'env', 'TOKEN', 'hidden'), ('pod_01_running', 'deploy_key', 'TOKEN', E'-----BEGIN\nKEY-----'),
       ('pod_01_terminated', 'env', '', '');
INSERT INTO schedule_ticks (task, tick_at) VALUES ('log_cleanup', '2026-01-01T00:00:00Z');
