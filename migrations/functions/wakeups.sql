-- A wakeup is a row in apalis's table and means "look at this pod", no more. An extra one finds nothing to do.
CREATE OR REPLACE FUNCTION pinacle.wake_pod(pod_id text, kind text, priority int, run_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO apalis.jobs (id, job_type, job, priority, run_at)
    VALUES (apalis.generate_ulid(), CASE WHEN kind IN ('stop', 'destroy') THEN 'pods.urgent' ELSE 'pods' END,
            convert_to(to_jsonb(pod_id)::text, 'UTF8'), priority, run_at);
$$;

-- Whether a wakeup waits for the pod. `|| ''` keeps the planner from the index of types, so it looks up the pod.
CREATE OR REPLACE FUNCTION pinacle.is_woken(wakeup bytea, queue text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM apalis.jobs a WHERE a.job = wakeup AND a.job_type || '' = queue AND a.status = 'Pending');
END $$;

-- Cancels what stands before a due destroy, and asks what runs to stop. An earlier destroy is left alone, since it does
-- the same work. A destroy whose payload will be refused cancels nothing.
CREATE OR REPLACE FUNCTION pinacle.preempt_for_destroy(destroy_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    destroy pinacle.pod_jobs;
    running text;
BEGIN
    SELECT * INTO destroy FROM pinacle.pod_jobs WHERE id = destroy_id AND payload = '{}';
    PERFORM FROM pinacle.pod_jobs j
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status IN ('queued', 'running', 'retrying');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE pinacle.pod_jobs j
    SET status = 'cancelled', finished_at = now(), last_error = 'Cancelled: the pod is to be destroyed.'
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status IN ('queued', 'running', 'retrying') AND j.status <> 'running';
    UPDATE pinacle.pod_jobs j
    SET cancel_requested_at = now(), cancel_reason = 'Cancelled: the pod is to be destroyed.'
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status = 'running' AND j.cancel_requested_at IS NULL
    RETURNING j.id INTO running;
    IF running IS NOT NULL THEN
        PERFORM pg_notify('pod_job_cancels', running);
    END IF;
END $$;

-- Wakes a worker for a job that waits, and for the one behind a job that has ended.
CREATE OR REPLACE FUNCTION pinacle.pod_jobs_wake() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    following pinacle.pod_jobs;
BEGIN
    IF NEW.status IN ('queued', 'retrying') THEN
        PERFORM pinacle.wake_pod(NEW.pod_id, NEW.kind, NEW.priority, NEW.run_at);
    ELSIF NEW.status IN ('succeeded', 'failed', 'cancelled') THEN
        SELECT * INTO following FROM pinacle.pod_jobs
        WHERE pod_id = NEW.pod_id AND status IN ('queued', 'running', 'retrying')
          AND status <> 'running' AND (status = 'retrying' OR run_at <= now())
        ORDER BY position LIMIT 1;
        IF FOUND THEN
            PERFORM pinacle.wake_pod(following.pod_id, following.kind, following.priority, following.run_at);
        END IF;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.kind = 'destroy' AND NEW.run_at <= now() THEN
        PERFORM pinacle.preempt_for_destroy(NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pod_jobs_wake_on_insert AFTER INSERT ON pinacle.pod_jobs
FOR EACH ROW EXECUTE FUNCTION pinacle.pod_jobs_wake();
CREATE OR REPLACE TRIGGER pod_jobs_wake_on_update AFTER UPDATE OF status ON pinacle.pod_jobs
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION pinacle.pod_jobs_wake();

-- apalis's fetch, except that its plan is made once per connection and reads the first waiting wakeups from their
-- index. The last condition has the form of that index's condition.
CREATE OR REPLACE FUNCTION apalis.get_jobs(worker_id text, v_job_type text, v_job_count int DEFAULT 5) RETURNS SETOF apalis.jobs
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
BEGIN
    RETURN QUERY
        UPDATE apalis.jobs j SET status = 'Queued', lock_by = worker_id, lock_at = now()
        WHERE j.id = ANY (ARRAY(
            SELECT a.id FROM apalis.jobs a
            WHERE a.job_type = v_job_type AND a.run_at < now()
              AND (a.status = 'Pending' OR (a.status = 'Failed' AND a.attempts < a.max_attempts))
            ORDER BY a.priority DESC, a.run_at LIMIT v_job_count FOR UPDATE SKIP LOCKED))
        RETURNING j.*;
END $$;
