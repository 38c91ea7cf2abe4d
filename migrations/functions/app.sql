-- The functions that the app calls, with the rights of their owner: the app's role needs no right to update jobs.

-- Inserts a job as the app itself would, but a double click gives one job.
CREATE OR REPLACE FUNCTION pinacle.enqueue_pod_job(
    pod_id text, kind text, payload jsonb DEFAULT '{}', run_at timestamptz DEFAULT now(),
    priority int DEFAULT 0, requested_by text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    last_in_line pinacle.pod_jobs;
    job_id text;
BEGIN
    IF NOT EXISTS (SELECT FROM pinacle.pods p WHERE p.id = pod_id) THEN
        RAISE EXCEPTION 'There is no pod "%". Insert its row into pods first.', pod_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    PERFORM pinacle.lock_pod_line(pod_id);
    SELECT * INTO last_in_line FROM pinacle.pod_jobs j
    WHERE j.pod_id = pod_id AND j.status IN ('queued', 'running', 'retrying')
    ORDER BY j.position DESC LIMIT 1;
    -- A job that is planned for later than this one is another request.
    IF last_in_line.status = 'queued' AND last_in_line.kind = kind
       AND last_in_line.run_at <= greatest(coalesce(run_at, now()), now()) THEN
        RETURN last_in_line.id;
    END IF;
    INSERT INTO pinacle.pod_jobs (pod_id, kind, payload, run_at, priority, requested_by)
    VALUES (pod_id, kind, coalesce(payload, '{}'), coalesce(run_at, now()), coalesce(priority, 0), requested_by)
    RETURNING id INTO job_id;
    RETURN job_id;
END $$;

-- True where the job is cancelled or will be stopped, false where it had already finished. A queued job is cancelled at
-- once. One that runs, or waits for its next attempt, is stopped by a worker, which cleans up.
CREATE OR REPLACE FUNCTION pinacle.cancel_pod_job(job_id text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    job pinacle.pod_jobs;
BEGIN
    SELECT * INTO job FROM pinacle.pod_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no job "%".', job_id USING ERRCODE = 'no_data_found';
    ELSIF job.status = 'queued' THEN
        UPDATE pinacle.pod_jobs j
        SET status = 'cancelled', finished_at = now(), last_error = 'Cancelled on request before it ran.'
        WHERE j.id = job_id;
        RETURN true;
    ELSIF job.status IN ('running', 'retrying') THEN
        UPDATE pinacle.pod_jobs j
        SET cancel_requested_at = coalesce(j.cancel_requested_at, now()),
            cancel_reason = coalesce(j.cancel_reason, 'Cancelled on request.'),
            run_at = CASE WHEN j.status = 'retrying' THEN least(j.run_at, now()) ELSE j.run_at END
        WHERE j.id = job_id;
        PERFORM pg_notify('pod_job_cancels', job_id);
        IF job.status = 'retrying' THEN
            PERFORM pinacle.wake_pod(job.pod_id, job.kind, job.priority, now());
        END IF;
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- Requeues a failed pod. If reconciliation found that a part of it is lost, the pod is `failed` without a failed job:
-- then a create makes what is missing and leaves what is there.
CREATE OR REPLACE FUNCTION pinacle.requeue_pod(pod_id text, requested_by text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    pod pinacle.pods;
    failed pinacle.pod_jobs;
BEGIN
    SELECT * INTO pod FROM pinacle.pods p WHERE p.id = pod_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no pod "%".', pod_id USING ERRCODE = 'no_data_found';
    ELSIF pod.status <> 'failed' THEN
        RAISE EXCEPTION 'Pod "%" is %; only a failed pod can be requeued.', pod_id, pod.status
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- A job that failed before another succeeded is not why the pod is `failed`.
    SELECT * INTO failed FROM pinacle.pod_jobs j
    WHERE j.pod_id = pod_id AND (j.id = pod.failed_job_id OR (j.status = 'failed' AND NOT EXISTS (
        SELECT FROM pinacle.pod_jobs s WHERE s.pod_id = j.pod_id AND s.position > j.position AND s.status = 'succeeded')))
    ORDER BY (j.id IS NOT DISTINCT FROM pod.failed_job_id) DESC, j.position DESC LIMIT 1;
    RETURN pinacle.enqueue_pod_job(pod_id, coalesce(failed.kind, 'create'), coalesce(failed.payload, '{}'), now(),
        coalesce(failed.priority, 0), requested_by);
END $$;

CREATE OR REPLACE FUNCTION pinacle.requeue_failed_pods() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pod record;
    requeued int := 0;
BEGIN
    FOR pod IN SELECT p.id FROM pinacle.pods p WHERE p.status = 'failed' ORDER BY p.id LOOP
        PERFORM pinacle.requeue_pod(pod.id, 'requeue_failed_pods');
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END $$;
