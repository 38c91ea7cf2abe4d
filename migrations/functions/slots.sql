-- Slots: how many creates, starts and restarts of one server and of one owner run at once, across all workers. The
-- claim counts the running ones and holds back the rest, which are woken when a slot is given back. Stops and destroys
-- are neither counted nor held, and have wakeups of their own.

-- Locked until the end of the transaction by whoever counts slots or gives one back, so that a job that is being held
-- and a slot that is given back see each other. An owner's lock is taken before a server's.
CREATE OR REPLACE FUNCTION pinacle.lock_slots(of text) RETURNS void
LANGUAGE sql
RETURN pg_advisory_xact_lock(hashtextextended('pinacle.slots.' || of, 0));

-- Wakes the first of the jobs that are held by `key`.
CREATE OR REPLACE FUNCTION pinacle.wake_held(key text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    held pinacle.pod_jobs;
BEGIN
    SELECT * INTO held FROM pinacle.pod_jobs
    WHERE held_by = key AND status IN ('queued', 'retrying')
    ORDER BY priority DESC, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE pinacle.pod_jobs SET held_by = NULL WHERE id = held.id;
        PERFORM pinacle.wake_pod(held.pod_id, held.kind, held.priority, now());
    END IF;
END $$;

-- Wakes up to `jobs` of each of the next `keys` keys behind `after`: room may come from elsewhere, such as a new
-- server. Returns the last key, or null where there is none behind it.
CREATE OR REPLACE FUNCTION pinacle.wake_held_portion(after text, keys int, jobs int) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    key text := after;
BEGIN
    FOR i IN 1..keys LOOP
        SELECT j.held_by INTO key FROM pinacle.pod_jobs j
        WHERE j.held_by IS NOT NULL AND j.status IN ('queued', 'retrying') AND j.held_by > coalesce(key, '')
        ORDER BY j.held_by LIMIT 1;
        EXIT WHEN key IS NULL;
        FOR n IN 1..jobs LOOP
            PERFORM pinacle.wake_held(key);
        END LOOP;
    END LOOP;
    RETURN key;
END $$;

CREATE OR REPLACE FUNCTION pinacle.pod_jobs_give_slot_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.slot_owner IS NOT NULL THEN
        PERFORM pinacle.lock_slots('owner:' || OLD.slot_owner);
    END IF;
    IF OLD.slot_server IS NOT NULL THEN
        PERFORM pinacle.lock_slots('server:' || OLD.slot_server);
    END IF;
    PERFORM pinacle.lock_slots('servers');
    IF OLD.slot_owner IS NOT NULL THEN
        PERFORM pinacle.wake_held('owner:' || OLD.slot_owner);
    END IF;
    IF OLD.slot_owner IS NOT NULL AND OLD.slot_server IS NOT NULL THEN
        PERFORM pinacle.wake_held('owner:' || OLD.slot_owner || ' server:' || OLD.slot_server);
    END IF;
    IF OLD.slot_server IS NOT NULL THEN
        PERFORM pinacle.wake_held('server:' || OLD.slot_server);
    END IF;
    PERFORM pinacle.wake_held('servers');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pod_jobs_give_slot_back AFTER UPDATE OF status ON pinacle.pod_jobs
FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running' AND OLD.kind IN ('create', 'start', 'restart'))
EXECUTE FUNCTION pinacle.pod_jobs_give_slot_back();

-- How many of `slots` an owner may have: all but the last one, and at least one.
CREATE OR REPLACE FUNCTION pinacle.owners_part(slots int) RETURNS int
LANGUAGE sql IMMUTABLE
RETURN greatest(slots - 1, 1);

-- Whether the server has a slot left for a job of this owner, that job not counted.
CREATE OR REPLACE FUNCTION pinacle.server_has_slot(server text, owner text, job text, max_per_server int) RETURNS boolean
LANGUAGE sql STABLE
RETURN (
    SELECT count(*) < max_per_server
           AND (owner IS NULL OR count(*) FILTER (WHERE j.slot_owner = owner) < pinacle.owners_part(max_per_server))
    FROM pinacle.pod_jobs j
    WHERE j.slot_server = server AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart') AND j.id <> job);

-- What holds back a job that takes a slot; null where it can run now. A slot that this job was woken for and can't use
-- is offered to the next job that is held for it.
CREATE OR REPLACE FUNCTION pinacle.slot_refusal(owner text, server text, worker text, worker_slots int, max_per_server int, max_per_owner int)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
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
        PERFORM pinacle.lock_slots(owners_key);
        SELECT count(*), count(*) FILTER (WHERE j.worker = slot_refusal.worker) INTO of_owner, here
        FROM pinacle.pod_jobs j
        WHERE j.slot_owner = owner AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart');
    END IF;
    owner_is_full := owner IS NOT NULL
        AND (of_owner >= max_per_owner OR here >= pinacle.owners_part(worker_slots));
    PERFORM pinacle.lock_slots(key);
    IF server IS NOT NULL THEN
        SELECT count(*), count(*) FILTER (WHERE j.slot_owner = owner) INTO taken, own
        FROM pinacle.pod_jobs j
        WHERE j.slot_server = server AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart');
        room := max_per_server;
        own_room := pinacle.owners_part(max_per_server);
    ELSE
        -- Running jobs that are not placed yet share the slots that the servers have left.
        SELECT count(*), count(*) FILTER (WHERE j.slot_owner = owner) INTO taken, own
        FROM pinacle.pod_jobs j
        WHERE j.slot_server IS NULL AND j.status = 'running' AND j.kind IN ('create', 'start', 'restart');
        SELECT sum(greatest(max_per_server - coalesce(n.taken, 0), 0)),
               sum(greatest(least(max_per_server - coalesce(n.taken, 0),
                                  pinacle.owners_part(max_per_server) - coalesce(n.own, 0)), 0))
        INTO room, own_room
        FROM pinacle.servers s LEFT JOIN (
            SELECT j.slot_server, count(*) AS taken, count(*) FILTER (WHERE j.slot_owner = owner) AS own
            FROM pinacle.pod_jobs j
            WHERE j.status = 'running' AND j.kind IN ('create', 'start', 'restart') AND j.slot_server IS NOT NULL
            GROUP BY 1) n ON n.slot_server = s.id
        WHERE s.status = 'online';
        -- Without an online server there is nothing to wait for: the job runs, and reports that.
    END IF;
    is_full := coalesce(taken >= room, false);
    IF owner_is_full THEN
        IF NOT is_full THEN
            PERFORM pinacle.wake_held(key);
        END IF;
        RETURN owners_key;
    ELSIF is_full THEN
        PERFORM pinacle.wake_held(owners_key);
        RETURN key;
    ELSIF owner IS NOT NULL AND coalesce(own >= own_room, false) THEN
        PERFORM pinacle.wake_held(key);
        RETURN owners_key || coalesce(' server:' || server, '');
    END IF;
    RETURN NULL;
END $$;
