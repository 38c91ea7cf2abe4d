-- Whether a wakeup waits for the pod. The type is compared so that no index of types fits, and it is looked up by the pod.
CREATE FUNCTION is_woken(wakeup bytea, queue text) RETURNS boolean
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM apalis.jobs a WHERE a.job = wakeup AND a.job_type || '' = queue AND a.status = 'Pending');
END $$;
