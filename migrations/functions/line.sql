-- One transaction at a time changes a pod's line, so that positions follow the order of insertion and two clicks at the
-- same moment see each other.
CREATE OR REPLACE FUNCTION pinacle.lock_pod_line(pod_id text) RETURNS void
LANGUAGE sql
RETURN pg_advisory_xact_lock(hashtextextended('pinacle.pod_line.' || pod_id, 0));

-- Checks a job's row as the app inserts it, and sets the worker's columns, whatever the insert says. Values that go
-- into a notification, an index or the worker's memory are bounded.
CREATE OR REPLACE FUNCTION pinacle.pod_jobs_enter_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(NEW.payload) <> 'object' THEN
        RAISE EXCEPTION 'The payload of a % job is a JSON object, not a JSON %.', NEW.kind, jsonb_typeof(NEW.payload)
            USING ERRCODE = 'check_violation';
    ELSIF octet_length(NEW.payload::text) > 65536 THEN
        RAISE EXCEPTION 'The payload of a % job has % bytes; no more than 65536 (64 KiB) can be stored.', NEW.kind,
            octet_length(NEW.payload::text) USING ERRCODE = 'check_violation';
    ELSIF NEW.id !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$' THEN
        RAISE EXCEPTION 'The job id "%" is not up to 100 letters, digits, "_", "." and "-".', left(NEW.id, 100)
            USING ERRCODE = 'check_violation';
    ELSIF octet_length(NEW.requested_by) > 65536 THEN
        RAISE EXCEPTION 'requested_by of a % job has % bytes; no more than 65536 (64 KiB) can be stored.', NEW.kind,
            octet_length(NEW.requested_by) USING ERRCODE = 'check_violation';
    ELSIF NEW.run_at >= '10000-01-01T00:00:00Z' THEN
        RAISE EXCEPTION 'run_at of a % job is %; the last year that it can be in is 9999.', NEW.kind, NEW.run_at
            USING ERRCODE = 'check_violation';
    END IF;
    -- A job that was due before its insert is due now.
    NEW.run_at := greatest(NEW.run_at, now());
    NEW.status := 'queued';
    NEW.attempt := 0;
    NEW.created_at := now();
    NEW.step := NULL;
    NEW.steps_done := NULL;
    NEW.steps_total := NULL;
    NEW.last_error := NULL;
    NEW.notice := NULL;
    NEW.started_at := NULL;
    NEW.finished_at := NULL;
    NEW.lease := NULL;
    NEW.worker := NULL;
    NEW.heartbeat_at := NULL;
    NEW.deadline_at := NULL;
    NEW.cancel_requested_at := NULL;
    NEW.cancel_reason := NULL;
    NEW.slot_owner := NULL;
    NEW.slot_server := NULL;
    NEW.held_by := NULL;
    PERFORM pinacle.lock_pod_line(NEW.pod_id);
    NEW.position := nextval('pinacle.pod_jobs_position');
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER pod_jobs_enter_line BEFORE INSERT ON pinacle.pod_jobs
FOR EACH ROW EXECUTE FUNCTION pinacle.pod_jobs_enter_line();

-- Closes the running step of a job that no longer runs, even if the job's worker died.
CREATE OR REPLACE FUNCTION pinacle.pod_jobs_close_steps() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
BEGIN
    UPDATE pinacle.pod_job_steps SET status = 'failed', finished_at = now(), error = NEW.last_error
    WHERE job_id = NEW.id AND status = 'running';
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pod_jobs_close_steps AFTER UPDATE OF status ON pinacle.pod_jobs
FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running') EXECUTE FUNCTION pinacle.pod_jobs_close_steps();

-- Whether a job of the pod runs, or is due.
CREATE OR REPLACE FUNCTION pinacle.pod_is_busy(pod_id text) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM pinacle.pod_jobs j WHERE j.pod_id = $1 AND j.status IN ('queued', 'running', 'retrying')
    AND (j.status IN ('running', 'retrying') OR j.run_at <= now()));
