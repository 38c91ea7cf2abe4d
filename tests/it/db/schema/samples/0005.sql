-- A pod's line: what runs, what waits behind it, and a destroy that is planned.
INSERT INTO pods (id, name, slug, status, lease) VALUES ('pod_05', 'five', 'five', 'starting', 9223372036854775806);
INSERT INTO pod_jobs (id, pod_id, kind, status, position, lease, worker, heartbeat_at, run_at)
VALUES ('job_05_runs', 'pod_05', 'start', 'running', nextval('pod_jobs_position') + 1000, 9223372036854775806, 'w', now(), now()),
       ('job_05_waits', 'pod_05', 'stop', 'queued', nextval('pod_jobs_position') + 1000, NULL, NULL, NULL, now()),
       ('job_05_planned', 'pod_05', 'destroy', 'queued', nextval('pod_jobs_position') + 1000, NULL, NULL, NULL, now() + interval '1 year');
