-- What the reconciliation of database and hosts needs.

-- Several installations may share a host. What each makes there is labelled with its id, and the others leave it alone.
CREATE TABLE pinacle_installation (
    id text PRIMARY KEY DEFAULT pinacle_id('installation')
);
CREATE UNIQUE INDEX pinacle_installation_is_one ON pinacle_installation ((true));
INSERT INTO pinacle_installation DEFAULT VALUES;

-- Things on a host that carry our label and that no pod accounts for. They are removed when they were seen again and
-- the grace period is over.
CREATE TABLE server_extras (
    server_id     text NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    kind          text NOT NULL
                  CONSTRAINT server_extras_kind_is_known CHECK (kind IN ('container', 'network', 'volume', 'fence')),
    key           text NOT NULL,           -- Docker's id, where it gives one that is not used again; otherwise the name
    pod_id        text NOT NULL,           -- as the label says
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (server_id, kind, key)
);

-- When the pod's container was started, as its host says: another time there means that it went down in between.
ALTER TABLE pods ADD COLUMN container_started_at text;

-- Whether a job of the pod runs, or is due.
CREATE FUNCTION pod_is_busy(pod_id text) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM pod_jobs j WHERE j.pod_id = $1
    AND (j.status IN ('running', 'retrying') OR (j.status = 'queued' AND j.run_at <= now())));

-- A pod may be `failed` without a failed job: reconciliation found that something of it is lost. A create makes what
-- is missing and leaves what is there.
CREATE OR REPLACE FUNCTION requeue_pod(pod_id text, requested_by text DEFAULT NULL) RETURNS text
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
    -- One that has failed before another succeeded is not why the pod is `failed`.
    SELECT * INTO failed FROM public.pod_jobs j
    WHERE j.pod_id = pod_id AND (j.id = pod.failed_job_id OR (j.status = 'failed' AND NOT EXISTS (
        SELECT FROM public.pod_jobs s WHERE s.pod_id = j.pod_id AND s.position > j.position AND s.status = 'succeeded')))
    ORDER BY (j.id IS NOT DISTINCT FROM pod.failed_job_id) DESC, j.position DESC LIMIT 1;
    RETURN public.enqueue_pod_job(pod_id, coalesce(failed.kind, 'create'), coalesce(failed.payload, '{}'), now(),
        coalesce(failed.priority, 0), requested_by);
END $$;

CREATE OR REPLACE FUNCTION requeue_failed_pods() RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    pod record;
    requeued int := 0;
BEGIN
    FOR pod IN SELECT p.id FROM public.pods p WHERE p.status = 'failed' ORDER BY p.id LOOP
        PERFORM public.requeue_pod(pod.id, 'requeue_failed_pods');
        requeued := requeued + 1;
    END LOOP;
    RETURN requeued;
END $$;
