-- Revokes what the web app's role can do here, and grants it what it needs. The role can write secrets, and can't read
-- their values.
CREATE OR REPLACE FUNCTION pinacle.grant_rights(app_role text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    statement text;
    owner oid := (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'pinacle');
BEGIN
    IF app_role = 'public' OR pg_has_role(app_role, owner, 'USAGE') THEN
        RAISE EXCEPTION 'The role "%" is everybody, or may do all here already as the owner of the schema, for whom the worker works. Create a role for the app alone.',
            app_role USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    FOREACH statement IN ARRAY ARRAY[
        'REVOKE ALL ON ALL TABLES IN SCHEMA pinacle FROM %I',
        'REVOKE ALL ON ALL SEQUENCES IN SCHEMA pinacle FROM %I',
        'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pinacle FROM %I',
        'REVOKE ALL ON SCHEMA pinacle FROM %I',
        'GRANT USAGE ON SCHEMA pinacle TO %I',
        'GRANT SELECT ON ALL TABLES IN SCHEMA pinacle TO %I',
        'GRANT INSERT (id, name, slug, config, server_id, owner_id), UPDATE (name, config) ON pinacle.pods TO %I',
        'GRANT INSERT (id, pod_id, kind, payload, priority, run_at, max_attempts, requested_by) ON pinacle.pod_jobs TO %I',
        'REVOKE SELECT ON pinacle.pod_secrets FROM %I',
        'GRANT INSERT, UPDATE, DELETE, SELECT (pod_id, kind, name, created_at) ON pinacle.pod_secrets TO %I',
        'GRANT EXECUTE ON FUNCTION pinacle.pinacle_id, pinacle.enqueue_pod_job, pinacle.cancel_pod_job, pinacle.requeue_pod,'
            ' pinacle.requeue_failed_pods TO %I'
    ] LOOP
        EXECUTE format(statement, app_role);
    END LOOP;
END $$;

-- Only their owner may call the worker's functions.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pinacle FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA apalis FROM PUBLIC;
