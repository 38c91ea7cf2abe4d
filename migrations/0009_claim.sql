-- As in 0007, but the job is locked by its id alone: with its status beside it, the planner takes an index of all that
-- wait for cheaper, where none did when the table was last analyzed.
CREATE OR REPLACE FUNCTION claim_pod_job(
    of_pod text, wakeup text, urgent boolean, worker text, deadline interval, worker_slots int, max_per_server int,
    max_per_owner int
) RETURNS SETOF pod_jobs
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    next public.pod_jobs;
    pod public.pods;
    refusal text;
BEGIN
    DELETE FROM apalis.jobs a WHERE a.id = wakeup;
    SELECT * INTO next FROM public.pod_jobs j
    WHERE j.pod_id = of_pod AND j.status IN ('queued', 'running', 'retrying')
      AND (j.status IN ('running', 'retrying') OR j.run_at <= now())
    ORDER BY (j.status = 'running') DESC, j.position LIMIT 1;
    IF next.id IS NULL OR next.status = 'running' OR next.run_at > now() THEN
        RETURN;
    ELSIF urgent <> (next.kind IN ('stop', 'destroy')) THEN
        -- It is for others to claim; they may have been woken before it was the next.
        PERFORM public.wake_pod(of_pod, next.kind, next.priority, now());
        RETURN;
    END IF;
    SELECT * INTO next FROM public.pod_jobs j WHERE j.id = next.id FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR next.status NOT IN ('queued', 'retrying') OR next.run_at > now() THEN
        RETURN;
    END IF;
    SELECT * INTO pod FROM public.pods p WHERE p.id = of_pod FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        -- Somebody changes the pod's row; a worker does not wait for that.
        PERFORM public.wake_pod(of_pod, next.kind, next.priority, now() + interval '500 milliseconds');
        RETURN;
    END IF;
    -- One that is to be cancelled only cleans up.
    IF next.kind IN ('create', 'start', 'restart') AND next.cancel_requested_at IS NULL THEN
        refusal := public.slot_refusal(pod.owner_id, pod.server_id, worker, worker_slots, max_per_server, max_per_owner);
        IF refusal IS NOT NULL THEN
            UPDATE public.pod_jobs j SET held_by = refusal WHERE j.id = next.id;
            RETURN;
        END IF;
    END IF;
    UPDATE public.pods p SET lease = p.lease + 1 WHERE p.id = of_pod RETURNING * INTO pod;
    UPDATE public.pod_jobs j
    SET status = 'running', lease = pod.lease, worker = worker, attempt = j.attempt + 1, heartbeat_at = now(),
        deadline_at = now() + deadline, started_at = coalesce(j.started_at, now()), held_by = NULL,
        slot_owner = pod.owner_id, slot_server = pod.server_id
    WHERE j.id = next.id
    RETURNING * INTO next;
    -- What became of the commands of an execution that died is unknown, and a page must not wait for it.
    UPDATE public.pod_logs l
    SET exit_code = 255, duration = least(extract(epoch FROM now() - l.timestamp) * 1000, 2147483647)::int,
        stderr = l.stderr || E'\n[cut off: the worker that ran this command stopped answering]\n'
    WHERE l.pod_id = of_pod AND l.exit_code IS NULL;
    RETURN NEXT next;
END $$;

-- apalis's fetch as it was, but that its plan is made once a connection. Its last condition has the form of its index.
DROP FUNCTION apalis.get_jobs(text, text, int);
CREATE FUNCTION apalis.get_jobs(worker_id text, v_job_type text, v_job_count int DEFAULT 5) RETURNS SETOF apalis.jobs
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
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
