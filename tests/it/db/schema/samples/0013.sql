-- Two pods of one owner, of which one is destroyed.
INSERT INTO pods (id, name, slug, status, owner_id, destroyed_at)
VALUES ('pod_13', 'thirteen', 'thirteen', 'pending', 'user_13', NULL),
       ('pod_13_gone', 'thirteen', 'thirteen', 'terminated', 'user_13', now());
