-- Jobs of an owner: one has a slot, and the others are held for each thing that one can wait for.
INSERT INTO pods (id, name, slug, owner_id) SELECT 'pod_07_' || n, 'seven', '7-' || n, repeat('o', 256) FROM generate_series(1, 5) n;
INSERT INTO pod_jobs (id, pod_id, kind, status, position, lease, worker, slot_owner, slot_server, held_by)
VALUES ('job_07_1', 'pod_07_1', 'restart', 'running', nextval('pod_jobs_position') + 1000, 1, 'w', repeat('o', 256), 'server_06', NULL),
       ('job_07_2', 'pod_07_2', 'create', 'queued', nextval('pod_jobs_position') + 1000, NULL, NULL, NULL, NULL, 'owner:' || repeat('o', 256)),
       ('job_07_3', 'pod_07_3', 'start', 'retrying', nextval('pod_jobs_position') + 1000, NULL, NULL, NULL, NULL, 'server:server_06'),
       ('job_07_4', 'pod_07_4', 'create', 'queued', nextval('pod_jobs_position') + 1000, NULL, NULL, NULL, NULL, 'owner:o server:server_06'),
       ('job_07_5', 'pod_07_5', 'create', 'queued', nextval('pod_jobs_position') + 1000, NULL, NULL, NULL, NULL, 'servers');
