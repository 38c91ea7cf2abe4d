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

-- What a pod keeps secret is read as a whole by every job, so it has a bound.
CREATE OR REPLACE FUNCTION pinacle.pod_secrets_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed pinacle.pod_secrets := CASE WHEN TG_OP = 'UPDATE' THEN OLD ELSE NEW END;
    others bigint;
BEGIN
    -- Two that are inserted at the same moment see each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('pinacle.secrets.' || NEW.pod_id, 0));
    SELECT coalesce(sum(octet_length(s.value) + octet_length(s.name)), 0) INTO others FROM pinacle.pod_secrets s
    WHERE s.pod_id = NEW.pod_id AND (s.kind, s.name) <> (changed.kind, changed.name);
    IF others + octet_length(NEW.value) + octet_length(NEW.name) > 1048576 THEN
        RAISE EXCEPTION 'The secrets of pod "%" would have % bytes; no more than 1048576 (1 MiB) can be stored.', NEW.pod_id,
            others + octet_length(NEW.value) + octet_length(NEW.name) USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER pod_secrets_check BEFORE INSERT OR UPDATE ON pinacle.pod_secrets
FOR EACH ROW EXECUTE FUNCTION pinacle.pod_secrets_check();
