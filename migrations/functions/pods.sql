-- Checks a pod's row, and sets the worker's columns on insert, whatever the insert says.
CREATE OR REPLACE FUNCTION pinacle.pods_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF octet_length(NEW.config::text) > 262144 THEN
        RAISE EXCEPTION 'The config of pod "%" has % bytes; no more than 262144 (256 KiB) can be stored.', NEW.id,
            octet_length(NEW.config::text) USING ERRCODE = 'check_violation';
    ELSIF octet_length(NEW.name) > 65536 AND NEW.name IS DISTINCT FROM OLD.name THEN
        RAISE EXCEPTION 'The name of pod "%" has % bytes; no more than 65536 (64 KiB) can be stored.', NEW.id,
            octet_length(NEW.name) USING ERRCODE = 'check_violation';
    -- An older pod may have up to 63, and keeps them.
    ELSIF NEW.slug !~ '^[a-z0-9]([a-z0-9-]{0,41}[a-z0-9])?$' AND NEW.slug IS DISTINCT FROM OLD.slug THEN
        RAISE EXCEPTION 'The slug "%" is not up to 43 small letters, digits and inner hyphens: it is a part of the pod''s hostname.',
            left(NEW.slug, 100) USING ERRCODE = 'check_violation', CONSTRAINT = 'pods_slug_is_a_dns_label';
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.status := 'pending';
        NEW.created_at := now();
        NEW.updated_at := now();
        NEW.lease := 0;
        NEW.container_id := NULL;
        NEW.container_started_at := NULL;
        NEW.internal_ip := NULL;
        NEW.public_url := NULL;
        NEW.up := false;
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

CREATE OR REPLACE TRIGGER pods_check BEFORE INSERT OR UPDATE OF config, name, slug ON pinacle.pods
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

-- The URL of a repository without its credentials; `ssh://git@host` and `git@host:path` stay as they are. A text that
-- can't be a URL is taken for a password with an `@` or a `/` in it, and hidden.
CREATE OR REPLACE FUNCTION pinacle.without_login(url text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN url !~ '@' OR url ~* '^(ssh|git\+ssh|ssh\+git|svn\+ssh|sftp)://[^:]*@[^@]*$' THEN url
    WHEN url ~ '^[^:/?#@]*://' THEN CASE
        WHEN url ~ '^[^:/?#@]*://[^/?#]*@' OR url ~ '^[^:/?#@]*://[^/?#]*:(?![0-9]*([/?#]|$))'
        THEN regexp_replace(url, '^([^:/?#@]*://).*@', '\1[redacted]@')
        ELSE url END
    WHEN url ~ ':.*@' THEN regexp_replace(url, '^.*@', '[redacted]@')
    ELSE url END;

-- The config of a destroyed pod without its secrets: the values of variables with one of `secret_names` in their names,
-- and the credentials of the repository. A config that is malformed, or can't be searched or stored, becomes `{}`, so
-- that it makes no destroy fail.
CREATE OR REPLACE FUNCTION pinacle.without_secrets(config jsonb, secret_names text[]) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hidden CONSTANT jsonb := '"[redacted]"';
    part jsonb;
BEGIN
    IF jsonb_typeof(config) <> 'object' OR octet_length(config::text) > 262144 THEN
        RETURN '{}';
    END IF;
    part := config -> 'environment';
    IF jsonb_typeof(part) = 'object' THEN
        SELECT coalesce(jsonb_object_agg(v.key, CASE
                   WHEN EXISTS (SELECT FROM unnest(secret_names) n WHERE strpos(upper(v.key COLLATE "C"), n) > 0) THEN hidden
                   ELSE v.value END), '{}')
        INTO part FROM jsonb_each(part) v;
        config := jsonb_set(config, '{environment}', part);
    ELSIF jsonb_typeof(part) <> 'null' THEN
        config := jsonb_set(config, '{environment}', hidden);
    END IF;
    part := config -> 'repository';
    IF jsonb_typeof(part) = 'string' THEN
        config := jsonb_set(config, '{repository}', to_jsonb(pinacle.without_login(part #>> '{}')));
    ELSIF jsonb_typeof(part -> 'url') = 'string' THEN
        config := jsonb_set(config, '{repository,url}', to_jsonb(pinacle.without_login(part ->> 'url')));
    ELSIF jsonb_typeof(part) <> 'null' THEN
        config := jsonb_set(config, '{repository}', hidden);
    END IF;
    RETURN CASE WHEN octet_length(config::text) > 262144 THEN '{}' ELSE config END;
EXCEPTION WHEN OTHERS THEN
    RETURN '{}';
END $$;

-- The size of a secret that counts for its pod, in bytes. A sealed one counts as what is in it: its base64 holds that,
-- an encapsulated key of 32 bytes and a tag of 16. A value that only looks sealed is counted in the same way.
CREATE OR REPLACE FUNCTION pinacle.secret_bytes(value text) RETURNS int
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN starts_with(value, 'hpke:v1:')
    THEN greatest((octet_length(value) - octet_length('hpke:v1:0123456789abcdef:')) / 4 * 3
                  - (2 - length(rtrim(right(value, 2), '='))) - 48, 0)
    ELSE octet_length(value) END;

-- Bounds the secrets of a pod, since every job reads and opens all of them.
CREATE OR REPLACE FUNCTION pinacle.pod_secrets_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed pinacle.pod_secrets := CASE WHEN TG_OP = 'UPDATE' THEN OLD ELSE NEW END;
    bytes bigint := pinacle.secret_bytes(NEW.value) + octet_length(NEW.name);
    others record;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.pod_id <> OLD.pod_id THEN
        RAISE EXCEPTION 'The secret "%" of pod "%" can''t be given to another pod. Insert it there anew.', left(OLD.name, 100),
            OLD.pod_id USING ERRCODE = 'check_violation';
    END IF;
    -- Lets two inserts at the same moment see each other.
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
