-- Ports that were given back: one that is free, and one that another pod has by now.
INSERT INTO released_ports (server_id, port, released_at) VALUES ('server_06', 30001, now()), ('server_06', 40000, '2026-01-01');
INSERT INTO pods (id, name, slug, status, destroyed_at) VALUES ('pod_10', 'ten', 'ten', 'terminated', now());
