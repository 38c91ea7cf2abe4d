-- Records when a pod gave back its port.
CREATE OR REPLACE FUNCTION pinacle.pods_release_port() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pinacle.released_ports (server_id, port, released_at)
    SELECT s.id, OLD.proxy_port, clock_timestamp() FROM pinacle.servers s WHERE s.id = OLD.server_id
    ON CONFLICT (server_id, port) DO UPDATE SET released_at = excluded.released_at;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pods_release_port AFTER UPDATE OF server_id, proxy_port ON pinacle.pods
FOR EACH ROW WHEN (
    OLD.proxy_port IS NOT NULL
    AND (OLD.server_id, OLD.proxy_port) IS DISTINCT FROM (NEW.server_id, NEW.proxy_port)
) EXECUTE FUNCTION pinacle.pods_release_port();
