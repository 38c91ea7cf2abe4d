-- A pod's row as the app inserts it: what is the worker's own is set here, whatever the insert says.
CREATE OR REPLACE FUNCTION pinacle.pods_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF octet_length(NEW.config::text) > 262144 THEN
        RAISE EXCEPTION 'The config of pod "%" has % bytes; no more than 262144 (256 KiB) can be stored.', NEW.id,
            octet_length(NEW.config::text) USING ERRCODE = 'check_violation';
    ELSIF octet_length(NEW.name) > 65536 THEN
        RAISE EXCEPTION 'The name of pod "%" has % bytes; no more than 65536 (64 KiB) can be stored.', NEW.id,
            octet_length(NEW.name) USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.slug !~ '^[a-z0-9]([a-z0-9-]{0,41}[a-z0-9])?$' THEN
            RAISE EXCEPTION 'The slug "%" is not up to 43 small letters, digits and inner hyphens: it is a part of the pod''s hostname.',
                left(NEW.slug, 100) USING ERRCODE = 'check_violation', CONSTRAINT = 'pods_slug_is_a_dns_label';
        END IF;
        NEW.status := 'pending';
        NEW.created_at := now();
        NEW.updated_at := now();
        NEW.lease := 0;
        NEW.container_id := NULL;
        NEW.container_started_at := NULL;
        NEW.internal_ip := NULL;
        NEW.public_url := NULL;
        NEW.proxy_port := NULL;
        NEW.last_error := NULL;
        NEW.failed_job_id := NULL;
        NEW.last_started_at := NULL;
        NEW.last_stopped_at := NULL;
        NEW.destroyed_at := NULL;
        NEW.cpu_cores := NULL;
        NEW.memory_mb := NULL;
        NEW.disk_gb := NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER pods_check BEFORE INSERT OR UPDATE OF config, name ON pinacle.pods
FOR EACH ROW EXECUTE FUNCTION pinacle.pods_check();

CREATE OR REPLACE FUNCTION pinacle.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER servers_touch BEFORE UPDATE ON pinacle.servers
FOR EACH ROW EXECUTE FUNCTION pinacle.touch_updated_at();
CREATE OR REPLACE TRIGGER pods_touch BEFORE UPDATE ON pinacle.pods
FOR EACH ROW EXECUTE FUNCTION pinacle.touch_updated_at();

-- How many bytes a stored secret has for its pod. One that is sealed counts as what is in it: its base64 holds that, an
-- encapsulated key of 32 bytes and a tag of 16. What only looks sealed has the same bound on what is stored.
CREATE OR REPLACE FUNCTION pinacle.secret_bytes(value text) RETURNS int
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN starts_with(value, 'hpke:v1:')
    THEN greatest((octet_length(value) - octet_length('hpke:v1:0123456789abcdef:')) / 4 * 3
                  - (2 - length(rtrim(right(value, 2), '='))) - 48, 0)
    ELSE octet_length(value) END;

-- What a pod keeps secret is read and opened as a whole by every job, so it has a bound.
CREATE OR REPLACE FUNCTION pinacle.pod_secrets_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed pinacle.pod_secrets := CASE WHEN TG_OP = 'UPDATE' THEN OLD ELSE NEW END;
    bytes bigint := pinacle.secret_bytes(NEW.value) + octet_length(NEW.name);
    others record;
BEGIN
    -- Two that are inserted at the same moment see each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('pinacle.secrets.' || NEW.pod_id, 0));
    SELECT count(*) AS count, coalesce(sum(pinacle.secret_bytes(s.value) + octet_length(s.name)), 0) AS bytes
    INTO others FROM pinacle.pod_secrets s
    WHERE s.pod_id = NEW.pod_id AND (s.kind, s.name) <> (changed.kind, changed.name);
    IF others.bytes + bytes > 1048576 THEN
        RAISE EXCEPTION 'The secrets of pod "%" would have % bytes; no more than 1048576 (1 MiB) can be stored.', NEW.pod_id,
            others.bytes + bytes USING ERRCODE = 'check_violation';
    ELSIF others.count >= 4096 AND TG_OP = 'INSERT' THEN
        RAISE EXCEPTION 'Pod "%" has % secrets; no more than 4096 can be stored.', NEW.pod_id, others.count
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER pod_secrets_check BEFORE INSERT OR UPDATE ON pinacle.pod_secrets
FOR EACH ROW EXECUTE FUNCTION pinacle.pod_secrets_check();
