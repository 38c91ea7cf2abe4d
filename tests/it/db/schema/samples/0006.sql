-- A server with what its pods reserve.
INSERT INTO servers (id, name, connection, cpu_cores, memory_mb, disk_gb, live_pods, reserved_cpu_cores, reserved_memory_mb, reserved_disk_gb)
VALUES ('server_06', 'six', 'local', 64, 65536, 1000, 2, 1.6, 3072, 30);
INSERT INTO pods (id, name, slug, status, server_id, proxy_port, cpu_cores, memory_mb, disk_gb)
VALUES ('pod_06_a', 'six', '6-a', 'running', 'server_06', 30000, 0.5, 1024, 10),
       ('pod_06_b', 'six', '6-b', 'running', 'server_06', 40000, 1.1, 2048, 20),
       -- The app has chosen the server, and no worker has placed it yet.
       ('pod_06_c', 'six', '6-c', 'pending', 'server_06', NULL, NULL, NULL, NULL);
