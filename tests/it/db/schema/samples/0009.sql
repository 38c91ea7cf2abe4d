-- A job whose row was locked when its heartbeat was due, and the functions of a version before.
INSERT INTO pods (id, name, slug, status, lease) VALUES ('pod_09', 'nine', 'nine', 'stopping', 1);
INSERT INTO pod_jobs (id, pod_id, kind, status, position, lease, worker, heartbeat_at)
VALUES ('job_09', 'pod_09', 'stop', 'running', nextval('pod_jobs_position') + 1000, 1, 'w', now() - interval '7 seconds');
INSERT INTO pod_job_heartbeats (job_id, heartbeat_at) VALUES ('job_09', now());
INSERT INTO applied_functions (sha256) VALUES ('\x00');
