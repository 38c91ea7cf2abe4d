-- Whether a pod's container runs, as last seen: a pod that failed in its user's part runs on.
ALTER TABLE pods ADD COLUMN up boolean NOT NULL DEFAULT false;
UPDATE pods SET up = true WHERE container_started_at IS NOT NULL AND destroyed_at IS NULL;

-- What a person has to know of a job whatever its end is, such as that a part of the pod was lost before it.
ALTER TABLE pod_jobs ADD COLUMN notice text;
