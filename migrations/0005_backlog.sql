-- What the queue does for one pod costs the same whatever waits for the others. The queries below name all three open
-- statuses, so that only the index of the pod's own line fits them, and not those that the sweep reads by time. A plan
-- that was made while a table was small is kept while it grows, so the functions do not take a scan of the whole table
-- for a plan.

-- The pod's own line.
CREATE INDEX pod_jobs_open ON pod_jobs (pod_id, position) WHERE status IN ('queued', 'running', 'retrying');
-- What the sweep reads, in portions.
CREATE INDEX pod_jobs_heartbeats ON pod_jobs (heartbeat_at) WHERE status = 'running';
CREATE INDEX pod_jobs_planned_destroys ON pod_jobs (run_at, id)
WHERE kind = 'destroy' AND status = 'queued' AND run_at > created_at;
DROP INDEX pod_jobs_unfinished;

-- Whether a wakeup waits for a pod, and which were fetched by a worker that died.
CREATE INDEX pinacle_waiting_wakeups ON apalis.jobs (job, job_type) WHERE status = 'Pending';
CREATE INDEX pinacle_fetched_wakeups ON apalis.jobs (lock_at) WHERE status = 'Queued';

-- apalis's fetch takes the first of the waiting ones from its index, and never sorts them all.
ALTER FUNCTION apalis.get_jobs(text, text, int) SET enable_seqscan = off;
ALTER FUNCTION apalis.get_jobs(text, text, int) SET enable_bitmapscan = off;
ALTER FUNCTION apalis.get_jobs(text, text, int) SET enable_sort = off;
ALTER FUNCTION apalis.get_jobs(text, text, int) SET enable_hashjoin = off;
ALTER FUNCTION apalis.get_jobs(text, text, int) SET enable_mergejoin = off;
ALTER FUNCTION apalis.get_jobs(text, text, int) SET jit = off;

-- As in 0004; where nothing stands before the destroy, that is all it looks at.
CREATE OR REPLACE FUNCTION preempt_for_destroy(destroy_id text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    destroy public.pod_jobs;
    running text;
BEGIN
    SELECT * INTO destroy FROM public.pod_jobs WHERE id = destroy_id AND payload = '{}';
    PERFORM FROM public.pod_jobs j
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status IN ('queued', 'running', 'retrying');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE public.pod_jobs j
    SET status = 'cancelled', finished_at = now(), last_error = 'Cancelled: the pod is to be destroyed.'
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status IN ('queued', 'running', 'retrying') AND j.status <> 'running';
    UPDATE public.pod_jobs j
    SET cancel_requested_at = now(), cancel_reason = 'Cancelled: the pod is to be destroyed.'
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status = 'running' AND j.cancel_requested_at IS NULL
    RETURNING j.id INTO running;
    IF running IS NOT NULL THEN
        PERFORM pg_notify('pod_job_cancels', running);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION pod_is_busy(pod_id text) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM pod_jobs j WHERE j.pod_id = $1 AND j.status IN ('queued', 'running', 'retrying')
    AND (j.status IN ('running', 'retrying') OR j.run_at <= now()));

ALTER FUNCTION enqueue_pod_job(text, text, jsonb, timestamptz, int, text) SET enable_seqscan = off;
ALTER FUNCTION enqueue_pod_job(text, text, jsonb, timestamptz, int, text) SET jit = off;
ALTER FUNCTION pod_jobs_close_steps() SET enable_seqscan = off;
ALTER FUNCTION pod_jobs_close_steps() SET jit = off;
