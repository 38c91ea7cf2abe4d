-- Whose containers were seen to run; one of them is destroyed by now.
INSERT INTO pods (id, name, slug, status, server_id, proxy_port, container_id, container_started_at, destroyed_at)
VALUES ('pod_03_up', 'three', '3-up', 'running', 'server_01', 30003, 'c3', '2026-02-03T04:05:06.789Z', NULL),
       ('pod_03_failed', 'three', '3-failed', 'failed', 'server_01', 30004, 'c4', '2026-02-03T04:05:06Z', NULL),
       ('pod_03_destroyed', 'three', '3-destroyed', 'terminated', NULL, NULL, NULL, '2026-02-03T04:05:06Z', now());
INSERT INTO server_extras (server_id, kind, key, pod_id)
SELECT 'server_01', k, k || '_3', 'pod_of_nobody' FROM unnest(ARRAY['container', 'network', 'volume', 'fence']) k;
