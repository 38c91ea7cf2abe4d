-- A stop, whose wakeup is an urgent one.
INSERT INTO pods (id, name, slug) VALUES ('pod_08', 'eight', 'eight');
INSERT INTO pod_jobs (id, pod_id, kind, position) VALUES ('job_08', 'pod_08', 'stop', nextval('pod_jobs_position') + 1000);
SELECT wake_pod('pod_08', 'stop', 0, now());
