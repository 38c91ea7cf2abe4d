-- A pod that failed in its user's part and runs on, and a job that has something to say.
INSERT INTO pods (id, name, slug, status, server_id, proxy_port, container_id, container_started_at, up)
VALUES ('pod_12', 'twelve', 'twelve', 'failed', 'server_06', 30012, 'c12', '2026-03-04T05:06:07Z', true);
INSERT INTO pod_jobs (id, pod_id, kind, status, position, finished_at, last_error, notice)
VALUES ('job_12', 'pod_12', 'start', 'failed', nextval('pod_jobs_position') + 1000, now(), 'npm: exit code 1', 'The container was lost, and was made anew.');
