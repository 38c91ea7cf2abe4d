-- Notifies the app's pages of changes of jobs and pods.
CREATE OR REPLACE FUNCTION pinacle.announce_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('pod_events', json_build_object('pod_id', NEW.pod_id, 'job_id', NEW.id, 'kind', NEW.kind,
        'status', NEW.status, 'step', NEW.step, 'steps_done', NEW.steps_done, 'steps_total', NEW.steps_total)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION pinacle.announce_pod() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('pod_events', json_build_object('pod_id', NEW.id, 'job_id', NULL, 'kind', NULL,
        'status', NEW.status, 'step', NULL, 'steps_done', NULL, 'steps_total', NULL)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pod_jobs_announce_insert AFTER INSERT ON pinacle.pod_jobs
FOR EACH ROW EXECUTE FUNCTION pinacle.announce_job();
CREATE OR REPLACE TRIGGER pod_jobs_announce_update AFTER UPDATE ON pinacle.pod_jobs
FOR EACH ROW WHEN (
    (OLD.status, OLD.step, OLD.steps_done, OLD.steps_total, OLD.attempt)
    IS DISTINCT FROM (NEW.status, NEW.step, NEW.steps_done, NEW.steps_total, NEW.attempt)
) EXECUTE FUNCTION pinacle.announce_job();
CREATE OR REPLACE TRIGGER pods_announce_update AFTER UPDATE OF status ON pinacle.pods
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION pinacle.announce_pod();

-- What a page that shows the log follows. Output is announced without its text: a follower reads on from where it is.
CREATE OR REPLACE FUNCTION pinacle.announce_log() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('pod_log_events', json_build_object('pod_id', NEW.pod_id, 'log_id', NEW.id)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER pod_logs_announce AFTER INSERT OR UPDATE OF stdout, stderr, exit_code ON pinacle.pod_logs
FOR EACH ROW EXECUTE FUNCTION pinacle.announce_log();
