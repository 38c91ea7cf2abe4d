-- Keeps what pods take of a server in the server's row, in the same transaction as each change of a pod.
CREATE OR REPLACE FUNCTION pinacle.pods_count_capacity() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    change record;
BEGIN
    -- In the order of the servers, so that two such changes can't deadlock.
    FOR change IN
        SELECT c.server_id, sum(c.pods) AS pods, sum(c.cpu_cores) AS cpu_cores, sum(c.memory_mb) AS memory_mb,
               sum(c.disk_gb) AS disk_gb
        FROM (
            SELECT OLD.server_id, -1, -coalesce(OLD.cpu_cores::numeric, 0), -coalesce(OLD.memory_mb, 0),
                   -coalesce(OLD.disk_gb, 0)
            WHERE OLD.server_id IS NOT NULL AND OLD.destroyed_at IS NULL AND OLD.memory_mb IS NOT NULL
            UNION ALL
            SELECT NEW.server_id, 1, coalesce(NEW.cpu_cores::numeric, 0), coalesce(NEW.memory_mb, 0),
                   coalesce(NEW.disk_gb, 0)
            WHERE TG_OP <> 'DELETE' AND NEW.server_id IS NOT NULL AND NEW.destroyed_at IS NULL AND NEW.memory_mb IS NOT NULL
        ) c (server_id, pods, cpu_cores, memory_mb, disk_gb)
        GROUP BY c.server_id ORDER BY c.server_id
    LOOP
        UPDATE pinacle.servers
        SET live_pods = live_pods + change.pods, reserved_cpu_cores = reserved_cpu_cores + change.cpu_cores,
            reserved_memory_mb = reserved_memory_mb + change.memory_mb, reserved_disk_gb = reserved_disk_gb + change.disk_gb
        WHERE id = change.server_id
          AND (change.pods, change.cpu_cores, change.memory_mb, change.disk_gb) <> (0, 0, 0, 0);
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pods_count_capacity_of_changed
AFTER UPDATE OF server_id, destroyed_at, cpu_cores, memory_mb, disk_gb ON pinacle.pods
FOR EACH ROW WHEN (
    (OLD.server_id, OLD.destroyed_at, OLD.cpu_cores, OLD.memory_mb, OLD.disk_gb)
    IS DISTINCT FROM (NEW.server_id, NEW.destroyed_at, NEW.cpu_cores, NEW.memory_mb, NEW.disk_gb)
) EXECUTE FUNCTION pinacle.pods_count_capacity();
CREATE OR REPLACE TRIGGER pods_count_capacity_of_removed AFTER DELETE ON pinacle.pods
FOR EACH ROW WHEN (OLD.server_id IS NOT NULL AND OLD.memory_mb IS NOT NULL) EXECUTE FUNCTION pinacle.pods_count_capacity();
