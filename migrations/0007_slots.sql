-- Slots: how many creates, starts and restarts of one server and of one owner run at once, across all workers. The
-- claim counts those that run and holds back what is too much; what is held back is woken when a slot is given back.
-- Stops and destroys are neither counted nor held, and have wakeups of their own.

-- It stands in keys of indexes, which have a bound of their own.
ALTER TABLE pods ADD COLUMN owner_id text
    CONSTRAINT pods_owner_id_is_short CHECK (octet_length(owner_id) <= 256);

ALTER TABLE pod_jobs
    ADD COLUMN slot_owner text,     -- whose slot it has while it runs
    ADD COLUMN slot_server text,    -- and of which server; null until the pod is placed
    ADD COLUMN held_by text;        -- what it waits for, while it is held back: 'owner:…', 'owner:… server:…', 'server:…', 'servers'

CREATE INDEX pod_jobs_slots_of_server ON pod_jobs (slot_server, slot_owner)
WHERE status = 'running' AND kind IN ('create', 'start', 'restart');
CREATE INDEX pod_jobs_slots_of_owner ON pod_jobs (slot_owner, worker)
WHERE status = 'running' AND kind IN ('create', 'start', 'restart');
CREATE INDEX pod_jobs_held ON pod_jobs (held_by, priority DESC, run_at, id)
WHERE held_by IS NOT NULL AND status IN ('queued', 'retrying');
-- The sweep looks for lost wakeups among those that wait for one.
CREATE INDEX pod_jobs_due ON pod_jobs (run_at, id) WHERE status IN ('queued', 'retrying') AND held_by IS NULL;

-- A wakeup means "look at this pod", no more. One too many finds nothing to do and is gone.
CREATE FUNCTION wake_pod(pod_id text, kind text, priority int, run_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO apalis.jobs (id, job_type, job, priority, run_at)
    VALUES (apalis.generate_ulid(), CASE WHEN kind IN ('stop', 'destroy') THEN 'pods.urgent' ELSE 'pods' END,
            convert_to(to_jsonb(pod_id)::text, 'UTF8'), priority, run_at);
$$;

-- Where an event names no kind: by the kind of the pod's next job.
CREATE OR REPLACE FUNCTION ring_doorbell(pod_id text, priority int, run_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
    SELECT public.wake_pod($1, coalesce((
        SELECT j.kind FROM public.pod_jobs j
        WHERE j.pod_id = $1 AND j.status IN ('queued', 'running', 'retrying') AND j.status <> 'running'
        ORDER BY j.position LIMIT 1), 'create'), $2, $3);
$$;

-- As in 0002, with the wakeup that fits the kind, and a job that is planned for later keeps the wakeup from none behind it.
CREATE OR REPLACE FUNCTION pod_jobs_ring() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    following public.pod_jobs;
BEGIN
    IF NEW.status IN ('queued', 'retrying') THEN
        PERFORM public.wake_pod(NEW.pod_id, NEW.kind, NEW.priority, NEW.run_at);
    ELSIF NEW.status IN ('succeeded', 'failed', 'cancelled') THEN
        SELECT * INTO following FROM public.pod_jobs
        WHERE pod_id = NEW.pod_id AND status IN ('queued', 'running', 'retrying')
          AND status <> 'running' AND (status = 'retrying' OR run_at <= now())
        ORDER BY position LIMIT 1;
        IF FOUND THEN
            PERFORM public.wake_pod(following.pod_id, following.kind, following.priority, following.run_at);
        END IF;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.kind = 'destroy' AND NEW.run_at <= now() THEN
        PERFORM public.preempt_for_destroy(NEW.id);
    END IF;
    RETURN NULL;
END $$;

-- Held until the end of the transaction by whoever counts slots, or gives one back: so that a job which is held back
-- and a slot which is given back see each other. An owner's is taken before a server's.
CREATE FUNCTION lock_slots(of text) RETURNS void
LANGUAGE sql
RETURN pg_advisory_xact_lock(hashtextextended('pinacle.slots.' || of, 0));

-- Wakes the first of the jobs that are held by this.
CREATE FUNCTION wake_held(key text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    held public.pod_jobs;
BEGIN
    SELECT * INTO held FROM public.pod_jobs
    WHERE held_by = key AND status IN ('queued', 'retrying')
    ORDER BY priority DESC, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE public.pod_jobs SET held_by = NULL WHERE id = held.id;
        PERFORM public.wake_pod(held.pod_id, held.kind, held.priority, now());
    END IF;
END $$;

-- Where capacity came from elsewhere, such as a new server: wakes up to `jobs` of each of the next `keys` keys behind
-- `after`. Returns the last, or null where there is none behind it.
CREATE FUNCTION wake_held_portion(after text, keys int, jobs int) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    key text := after;
BEGIN
    FOR i IN 1..keys LOOP
        SELECT j.held_by INTO key FROM public.pod_jobs j
        WHERE j.held_by IS NOT NULL AND j.status IN ('queued', 'retrying') AND j.held_by > coalesce(key, '')
        ORDER BY j.held_by LIMIT 1;
        EXIT WHEN key IS NULL;
        FOR n IN 1..jobs LOOP
            PERFORM public.wake_held(key);
        END LOOP;
    END LOOP;
    RETURN key;
END $$;

CREATE FUNCTION pod_jobs_give_slot_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.slot_owner IS NOT NULL THEN
        PERFORM public.lock_slots('owner:' || OLD.slot_owner);
    END IF;
    IF OLD.slot_server IS NOT NULL THEN
        PERFORM public.lock_slots('server:' || OLD.slot_server);
    END IF;
    PERFORM public.lock_slots('servers');
    IF OLD.slot_owner IS NOT NULL THEN
        PERFORM public.wake_held('owner:' || OLD.slot_owner);
    END IF;
    IF OLD.slot_owner IS NOT NULL AND OLD.slot_server IS NOT NULL THEN
        PERFORM public.wake_held('owner:' || OLD.slot_owner || ' server:' || OLD.slot_server);
    END IF;
    IF OLD.slot_server IS NOT NULL THEN
        PERFORM public.wake_held('server:' || OLD.slot_server);
    END IF;
    PERFORM public.wake_held('servers');
    RETURN NULL;
END $$;

CREATE TRIGGER pod_jobs_give_slot_back AFTER UPDATE OF status ON pod_jobs
FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running' AND OLD.kind IN ('create', 'start', 'restart'))
EXECUTE FUNCTION pod_jobs_give_slot_back();

-- What an owner may have of `slots`: not the last one, unless there is just one.
CREATE FUNCTION owners_part(slots int) RETURNS int
LANGUAGE sql IMMUTABLE
RETURN greatest(slots - 1, 1);

-- Whether the server has a slot left for a job of this owner, beside that job itself.
CREATE FUNCTION server_has_slot(server text, owner text, job text, max_per_server int) RETURNS boolean
LANGUAGE sql STABLE
RETURN (
    SELECT count(*) < max_per_server
           AND (owner IS NULL OR count(*) FILTER (WHERE j.slot_owner = owner) < owners_part(max_per_server))
    FROM pod_jobs j
    WHERE j.slot_server = server AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart') AND j.id <> job);

-- Why a job that takes a slot can't run now; null where it can. What else has room then is offered to the next that is
-- held for it: this job may have been woken for that, and can't use it.
CREATE FUNCTION slot_refusal(owner text, server text, worker text, worker_slots int, max_per_server int, max_per_owner int)
RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    of_owner bigint := 0;
    here bigint := 0;
    own bigint := 0;
    taken bigint;
    room bigint;
    own_room bigint;
    owners_key text := 'owner:' || owner;
    key text := CASE WHEN server IS NULL THEN 'servers' ELSE 'server:' || server END;
    owner_is_full boolean;
    is_full boolean;
BEGIN
    IF owner IS NOT NULL THEN
        PERFORM public.lock_slots(owners_key);
        SELECT count(*), count(*) FILTER (WHERE j.worker = slot_refusal.worker) INTO of_owner, here
        FROM public.pod_jobs j
        WHERE j.slot_owner = owner AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart');
    END IF;
    owner_is_full := owner IS NOT NULL
        AND (of_owner >= max_per_owner OR here >= public.owners_part(worker_slots));
    PERFORM public.lock_slots(key);
    IF server IS NOT NULL THEN
        SELECT count(*), count(*) FILTER (WHERE j.slot_owner = owner) INTO taken, own
        FROM public.pod_jobs j
        WHERE j.slot_server = server AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart');
        room := max_per_server;
        own_room := public.owners_part(max_per_server);
    ELSE
        -- Those that run and are not placed yet share what the servers have left.
        SELECT count(*), count(*) FILTER (WHERE j.slot_owner = owner) INTO taken, own
        FROM public.pod_jobs j
        WHERE j.slot_server IS NULL AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart');
        SELECT sum(greatest(max_per_server - coalesce(n.taken, 0), 0)),
               sum(greatest(least(max_per_server - coalesce(n.taken, 0),
                                  public.owners_part(max_per_server) - coalesce(n.own, 0)), 0))
        INTO room, own_room
        FROM public.servers s LEFT JOIN (
            SELECT j.slot_server, count(*) AS taken, count(*) FILTER (WHERE j.slot_owner = owner) AS own
            FROM public.pod_jobs j
            WHERE j.status = 'running' AND j.kind IN ('create', 'start', 'restart') AND j.slot_server IS NOT NULL
            GROUP BY 1) n ON n.slot_server = s.id
        WHERE s.status = 'online';
        -- Without a server there is nothing to wait for: the job runs, and says so.
    END IF;
    is_full := coalesce(taken >= room, false);
    IF owner_is_full THEN
        IF NOT is_full THEN
            PERFORM public.wake_held(key);
        END IF;
        RETURN owners_key;
    ELSIF is_full THEN
        PERFORM public.wake_held(owners_key);
        RETURN key;
    ELSIF owner IS NOT NULL AND coalesce(own >= own_room, false) THEN
        PERFORM public.wake_held(key);
        RETURN owners_key || coalesce(' server:' || server, '');
    END IF;
    RETURN NULL;
END $$;

-- Claims the pod's next job, where one is due, and handles the wakeup. The next job is the first in the pod's line that
-- is due; a retry keeps its place, and a job that is planned for later lets those behind it pass. `urgent` is whether
-- stops and destroys are claimed, or the other kinds; null for all.
CREATE FUNCTION claim_pod_job(
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
    SELECT * INTO next FROM public.pod_jobs j
    WHERE j.id = next.id AND j.status IN ('queued', 'retrying') AND j.run_at <= now()
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
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
