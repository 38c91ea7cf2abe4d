-- The queue. A committed row in pod_jobs is a job; what follows rings the worker for it, keeps each pod's
-- line in order, and lets a destroy go first. What runs by itself on an insert is SECURITY DEFINER, so that
-- the web app's role needs no more than the right to insert.

CREATE SEQUENCE pod_jobs_position;

-- One pod's line changes in one transaction at a time, so that positions follow the order of insertion and
-- two clicks at the same moment see each other.
CREATE FUNCTION lock_pod_line(pod_id text) RETURNS void
LANGUAGE sql
RETURN pg_advisory_xact_lock(hashtextextended('pinacle.pod_line.' || pod_id, 0));

-- The doorbell means "look at this pod", no more. One too many finds nothing to do and is gone.
CREATE FUNCTION ring_doorbell(pod_id text, priority int, run_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO apalis.jobs (id, job_type, job, priority, run_at)
    VALUES (apalis.generate_ulid(), 'pods', convert_to(to_jsonb(pod_id)::text, 'UTF8'), priority, run_at);
$$;

CREATE FUNCTION pod_jobs_enter_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(NEW.payload) <> 'object' THEN
        RAISE EXCEPTION 'The payload of a % job is a JSON object, not a JSON %.', NEW.kind, jsonb_typeof(NEW.payload)
            USING ERRCODE = 'check_violation';
    END IF;
    PERFORM public.lock_pod_line(NEW.pod_id);
    NEW.position := nextval('public.pod_jobs_position');
    RETURN NEW;
END $$;

CREATE TRIGGER pod_jobs_enter_line BEFORE INSERT ON pod_jobs
FOR EACH ROW EXECUTE FUNCTION pod_jobs_enter_line();

-- A destroy that is due cancels what stands before it and asks what runs to stop. An earlier destroy is left
-- alone: it does the same work.
CREATE FUNCTION preempt_for_destroy(destroy_id text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    destroy public.pod_jobs;
    running text;
BEGIN
    SELECT * INTO destroy FROM public.pod_jobs WHERE id = destroy_id;
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

CREATE FUNCTION pod_jobs_ring() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    following public.pod_jobs;
BEGIN
    IF NEW.status IN ('queued', 'retrying') THEN
        PERFORM public.ring_doorbell(NEW.pod_id, NEW.priority, NEW.run_at);
    ELSIF NEW.status IN ('succeeded', 'failed', 'cancelled') THEN
        SELECT * INTO following FROM public.pod_jobs
        WHERE pod_id = NEW.pod_id AND status IN ('queued', 'retrying') ORDER BY position LIMIT 1;
        IF FOUND THEN
            PERFORM public.ring_doorbell(following.pod_id, following.priority, following.run_at);
        END IF;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.kind = 'destroy' AND NEW.run_at <= now() THEN
        PERFORM public.preempt_for_destroy(NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER pod_jobs_ring_on_insert AFTER INSERT ON pod_jobs
FOR EACH ROW EXECUTE FUNCTION pod_jobs_ring();
CREATE TRIGGER pod_jobs_ring_on_update AFTER UPDATE OF status ON pod_jobs
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION pod_jobs_ring();

-- What a page follows.
CREATE FUNCTION announce_job() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('pod_events', json_build_object('pod_id', NEW.pod_id, 'job_id', NEW.id, 'kind', NEW.kind,
        'status', NEW.status, 'step', NEW.step, 'steps_done', NEW.steps_done, 'steps_total', NEW.steps_total)::text);
    RETURN NULL;
END $$;

CREATE FUNCTION announce_pod() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('pod_events', json_build_object('pod_id', NEW.id, 'job_id', NULL, 'kind', NULL,
        'status', NEW.status, 'step', NULL, 'steps_done', NULL, 'steps_total', NULL)::text);
    RETURN NULL;
END $$;

CREATE TRIGGER pod_jobs_announce_insert AFTER INSERT ON pod_jobs
FOR EACH ROW EXECUTE FUNCTION announce_job();
CREATE TRIGGER pod_jobs_announce_update AFTER UPDATE ON pod_jobs
FOR EACH ROW WHEN (
    (OLD.status, OLD.step, OLD.steps_done, OLD.steps_total, OLD.attempt)
    IS DISTINCT FROM (NEW.status, NEW.step, NEW.steps_done, NEW.steps_total, NEW.attempt)
) EXECUTE FUNCTION announce_job();
CREATE TRIGGER pods_announce_update AFTER UPDATE OF status ON pods
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION announce_pod();

-- The same insert as the app's own, but a double click is one job.
CREATE FUNCTION enqueue_pod_job(
    pod_id text, kind text, payload jsonb DEFAULT '{}', run_at timestamptz DEFAULT now(),
    priority int DEFAULT 0, requested_by text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    last_in_line public.pod_jobs;
    job_id text;
BEGIN
    IF NOT EXISTS (SELECT FROM public.pods p WHERE p.id = pod_id) THEN
        RAISE EXCEPTION 'There is no pod "%". Insert its row into pods first.', pod_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    PERFORM public.lock_pod_line(pod_id);
    SELECT * INTO last_in_line FROM public.pod_jobs j
    WHERE j.pod_id = pod_id AND j.status IN ('queued', 'running', 'retrying')
    ORDER BY j.position DESC LIMIT 1;
    -- One that is planned for later than this is not the same wish.
    IF last_in_line.status = 'queued' AND last_in_line.kind = kind
       AND last_in_line.run_at <= greatest(coalesce(run_at, now()), now()) THEN
        RETURN last_in_line.id;
    END IF;
    INSERT INTO public.pod_jobs (pod_id, kind, payload, run_at, priority, requested_by)
    VALUES (pod_id, kind, coalesce(payload, '{}'), coalesce(run_at, now()), coalesce(priority, 0), requested_by)
    RETURNING id INTO job_id;
    RETURN job_id;
END $$;

-- True where the job is cancelled or told to stop, false where it had already finished. A queued job has done nothing
-- yet and is cancelled at once. One that runs, or waits for its next attempt, has: a worker stops it and cleans up.
CREATE FUNCTION cancel_pod_job(job_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    job public.pod_jobs;
BEGIN
    SELECT * INTO job FROM public.pod_jobs j WHERE j.id = job_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no job "%".', job_id USING ERRCODE = 'no_data_found';
    ELSIF job.status = 'queued' THEN
        UPDATE public.pod_jobs j
        SET status = 'cancelled', finished_at = now(), last_error = 'Cancelled on request before it ran.'
        WHERE j.id = job_id;
        RETURN true;
    ELSIF job.status IN ('running', 'retrying') THEN
        UPDATE public.pod_jobs j
        SET cancel_requested_at = coalesce(j.cancel_requested_at, now()),
            cancel_reason = coalesce(j.cancel_reason, 'Cancelled on request.'),
            run_at = CASE WHEN j.status = 'retrying' THEN least(j.run_at, now()) ELSE j.run_at END
        WHERE j.id = job_id;
        PERFORM pg_notify('pod_job_cancels', job_id);
        IF job.status = 'retrying' THEN
            PERFORM public.ring_doorbell(job.pod_id, job.priority, now());
        END IF;
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- The admin's button.
CREATE FUNCTION requeue_pod(pod_id text, requested_by text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    pod public.pods;
    failed public.pod_jobs;
BEGIN
    SELECT * INTO pod FROM public.pods p WHERE p.id = pod_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no pod "%".', pod_id USING ERRCODE = 'no_data_found';
    ELSIF pod.status <> 'failed' THEN
        RAISE EXCEPTION 'Pod "%" is %; only a failed pod can be requeued.', pod_id, pod.status
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT * INTO failed FROM public.pod_jobs j
    WHERE j.pod_id = pod_id AND (j.id = pod.failed_job_id OR j.status = 'failed')
    ORDER BY (j.id IS NOT DISTINCT FROM pod.failed_job_id) DESC, j.position DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Pod "%" has no failed job to run again; insert a job of the kind you want.', pod_id
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN public.enqueue_pod_job(pod_id, failed.kind, failed.payload, now(), failed.priority, requested_by);
END $$;

CREATE FUNCTION requeue_failed_pods() RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    pod record;
    requeued int := 0;
BEGIN
    FOR pod IN
        SELECT p.id FROM public.pods p
        WHERE p.status = 'failed' AND EXISTS (
            SELECT FROM public.pod_jobs j WHERE j.pod_id = p.id AND (j.id = p.failed_job_id OR j.status = 'failed'))
        ORDER BY p.id
    LOOP
        PERFORM public.requeue_pod(pod.id, 'requeue_failed_pods');
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END $$;
