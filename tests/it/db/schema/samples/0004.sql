-- A destroy that was refused, and a job whose steps were closed with it.
INSERT INTO pods (id, name, slug) VALUES ('pod_04', 'four', 'four');
INSERT INTO pod_jobs (id, pod_id, kind, payload, status, position, attempt, finished_at, last_error)
VALUES ('job_04_refused', 'pod_04', 'destroy', '{"force": true}', 'failed', nextval('pod_jobs_position') + 1000, 1, now(), 'payload.force'),
       ('job_04_ended', 'pod_04', 'create', '{}', 'cancelled', nextval('pod_jobs_position') + 1000, 1, now(), 'Cancelled on request.');
INSERT INTO pod_job_steps (job_id, position, name, status, attempt, finished_at, error)
VALUES ('job_04_ended', 0, 'container', 'failed', 1, now(), 'Cancelled on request.');
