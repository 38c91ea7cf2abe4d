-- The heartbeats of jobs whose own row was locked when they were due: what somebody's open transaction holds of one job
-- keeps nobody else waiting, the worker that runs it neither. Nobody but the workers writes here.
CREATE TABLE pod_job_heartbeats (
    job_id       text PRIMARY KEY,
    heartbeat_at timestamptz NOT NULL
);

-- Which texts of functions/ were applied, by their SHA-256.
CREATE TABLE applied_functions (
    sha256     bytea PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Functions and triggers stand in functions/ from here on.
DROP TRIGGER pod_jobs_ring_on_insert ON pod_jobs;
DROP TRIGGER pod_jobs_ring_on_update ON pod_jobs;
DROP TRIGGER pods_count_capacity_of_new ON pods;   -- a pod that is new has nothing reserved
DROP FUNCTION pod_jobs_ring();
DROP FUNCTION ring_doorbell(text, int, timestamptz);
