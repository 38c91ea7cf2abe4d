-- A job, with its wakeup.
INSERT INTO pods (id, name, slug) VALUES ('pod_02', 'two', 'two');
INSERT INTO pod_jobs (id, pod_id, kind, position) VALUES ('job_02', 'pod_02', 'create', nextval('pod_jobs_position') + 1000);
SELECT ring_doorbell('pod_02', 7, now());
