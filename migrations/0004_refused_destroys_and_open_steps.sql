-- A destroy whose payload will be refused cancels nothing. Otherwise as in 0002.
CREATE OR REPLACE FUNCTION preempt_for_destroy(destroy_id text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    destroy public.pod_jobs;
    running text;
BEGIN
    SELECT * INTO destroy FROM public.pod_jobs WHERE id = destroy_id AND payload = '{}';
    UPDATE public.pod_jobs j
    SET status = 'cancelled', finished_at = now(), last_error = 'Cancelled: the pod is to be destroyed.'
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status IN ('queued', 'retrying');
    UPDATE public.pod_jobs j
    SET cancel_requested_at = now(), cancel_reason = 'Cancelled: the pod is to be destroyed.'
    WHERE j.pod_id = destroy.pod_id AND j.position < destroy.position AND j.kind <> 'destroy'
      AND j.status = 'running' AND j.cancel_requested_at IS NULL
    RETURNING j.id INTO running;
    IF running IS NOT NULL THEN
        PERFORM pg_notify('pod_job_cancels', running);
    END IF;
END $$;

-- A job that does not run has no step that does, whatever became of the worker that was at it.
CREATE FUNCTION pod_jobs_close_steps() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.pod_job_steps SET status = 'failed', finished_at = now(), error = NEW.last_error
    WHERE job_id = NEW.id AND status = 'running';
    RETURN NULL;
END $$;

CREATE TRIGGER pod_jobs_close_steps AFTER UPDATE OF status ON pod_jobs
FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running') EXECUTE FUNCTION pod_jobs_close_steps();

UPDATE pod_job_steps s SET status = 'failed', finished_at = now(), error = j.last_error
FROM pod_jobs j WHERE j.id = s.job_id AND s.status = 'running' AND j.status <> 'running';
