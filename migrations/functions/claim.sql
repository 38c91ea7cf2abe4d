-- Claims the pod's next job, where one is due, and deletes the wakeup. The next job is the first in the pod's line that
-- is due; a retry keeps its place, and a job that is planned for later lets those behind it pass. `urgent` claims stops
-- and destroys if true, the other kinds if false, and all if null.
CREATE OR REPLACE FUNCTION pinacle.claim_pod_job(
    of_pod text, wakeup text, urgent boolean, worker text, deadline interval, worker_slots int, max_per_server int,
    max_per_owner int
) RETURNS SETOF pinacle.pod_jobs
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_variable
DECLARE
    next pinacle.pod_jobs;
    pod pinacle.pods;
    refusal text;
BEGIN
    DELETE FROM apalis.jobs a WHERE a.id = wakeup;
    SELECT * INTO next FROM pinacle.pod_jobs j
    WHERE j.pod_id = of_pod AND j.status IN ('queued', 'running', 'retrying')
      AND (j.status IN ('running', 'retrying') OR j.run_at <= now())
    ORDER BY (j.status = 'running') DESC, j.position LIMIT 1;
    IF next.id IS NULL OR next.status = 'running' OR next.run_at > now() THEN
        RETURN;
    ELSIF urgent <> (next.kind IN ('stop', 'destroy')) THEN
        -- The job belongs to the other queue, whose wakeup may have come before this job was the next.
        PERFORM pinacle.wake_pod(of_pod, next.kind, next.priority, now());
        RETURN;
    END IF;
    -- The condition names the id alone: with the status beside it, the planner prefers the index of waiting jobs if
    -- none waited when the table was last analyzed.
    SELECT * INTO next FROM pinacle.pod_jobs j WHERE j.id = next.id FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND OR next.status NOT IN ('queued', 'retrying') OR next.run_at > now() THEN
        RETURN;
    END IF;
    SELECT * INTO pod FROM pinacle.pods p WHERE p.id = of_pod FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        -- Another transaction has locked the pod's row; a worker does not wait for it.
        PERFORM pinacle.wake_pod(of_pod, next.kind, next.priority, now() + interval '500 milliseconds');
        RETURN;
    ELSIF pod.lease < 0 OR pod.lease >= 4611686018427387904 THEN
        -- Claims never reach such a number, and beyond it no lease is newer.
        UPDATE pinacle.pod_jobs j
        SET status = 'failed', finished_at = now(),
            last_error = format('The lease of pod "%s" is %s, which no worker gave it. Set pods.lease to what the fence'
                || ' file on its host says, and requeue the pod.', of_pod, pod.lease)
        WHERE j.id = next.id;
        UPDATE pinacle.pods p
        SET status = 'failed', failed_job_id = next.id,
            last_error = (SELECT j.last_error FROM pinacle.pod_jobs j WHERE j.id = next.id)
        WHERE p.id = of_pod AND p.status <> 'terminated';
        RETURN;
    END IF;
    -- A job that is to be cancelled only cleans up, so it needs no slot.
    IF next.kind IN ('create', 'start', 'restart') AND next.cancel_requested_at IS NULL THEN
        refusal := pinacle.slot_refusal(pod.owner_id, pod.server_id, worker, worker_slots, max_per_server, max_per_owner);
        IF refusal IS NOT NULL THEN
            UPDATE pinacle.pod_jobs j SET held_by = refusal WHERE j.id = next.id;
            RETURN;
        END IF;
    END IF;
    UPDATE pinacle.pods p SET lease = p.lease + 1 WHERE p.id = of_pod RETURNING * INTO pod;
    UPDATE pinacle.pod_jobs j
    SET status = 'running', lease = pod.lease, worker = worker, attempt = j.attempt + 1, heartbeat_at = now(),
        deadline_at = now() + deadline, started_at = coalesce(j.started_at, now()), held_by = NULL,
        slot_owner = pod.owner_id, slot_server = pod.server_id
    WHERE j.id = next.id
    RETURNING * INTO next;
    -- How the commands of a dead execution ended is unknown, and a page must not wait for it.
    UPDATE pinacle.pod_logs l
    SET exit_code = 255, duration = least(extract(epoch FROM now() - l.timestamp) * 1000, 2147483647)::int,
        stderr = l.stderr || E'\n[cut off: the worker that ran this command stopped answering]\n'
    WHERE l.pod_id = of_pod AND l.exit_code IS NULL;
    RETURN NEXT next;
END $$;
