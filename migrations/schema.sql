-- Comes before the migrations: the schema that all is in. An installation of before had it in `public`, where a tool that
-- pushes the app's schema drops what it does not know; it is moved, with its data and what the migrations have noted.
-- A session whose search path names the schema, as that of a user `pinacle` does by default, has looked it up before and remembers
-- that it is not there. It hears of another process that has made it meanwhile when it next opens a table.
SELECT FROM pg_catalog.pg_namespace LIMIT 0;
CREATE SCHEMA IF NOT EXISTS pinacle;

DO $$
DECLARE
    moved text;
BEGIN
    IF to_regclass('pinacle._sqlx_migrations') IS NOT NULL OR to_regclass('public._sqlx_migrations') IS NULL
       OR to_regclass('public.pod_jobs') IS NULL THEN
        RETURN;
    END IF;
    FOREACH moved IN ARRAY ARRAY['servers', 'pods', 'pod_jobs', 'pod_job_steps', 'pod_logs', 'pod_secrets', 'schedule_ticks',
                                 'pinacle_installation', 'server_extras'] LOOP
        EXECUTE format('ALTER TABLE IF EXISTS public.%I SET SCHEMA pinacle', moved);
    END LOOP;
    ALTER SEQUENCE public.pod_jobs_position SET SCHEMA pinacle;
    FOREACH moved IN ARRAY ARRAY[
        'pinacle_id(text)', 'touch_updated_at()', 'lock_pod_line(text)', 'ring_doorbell(text, int, timestamptz)',
        'pod_jobs_enter_line()', 'preempt_for_destroy(text)', 'pod_jobs_ring()', 'announce_job()', 'announce_pod()',
        'enqueue_pod_job(text, text, jsonb, timestamptz, int, text)', 'cancel_pod_job(text)', 'requeue_pod(text, text)',
        'requeue_failed_pods()', 'pod_is_busy(text)', 'pod_jobs_close_steps()', 'pods_count_capacity()',
        'wake_pod(text, text, int, timestamptz)', 'lock_slots(text)', 'wake_held(text)', 'wake_held_portion(text, int, int)',
        'pod_jobs_give_slot_back()', 'owners_part(int)', 'server_has_slot(text, text, text, int)',
        'slot_refusal(text, text, text, int, int, int)',
        'claim_pod_job(text, text, boolean, text, interval, int, int, int)', 'is_woken(bytea, text)'
    ] LOOP
        IF to_regprocedure('public.' || moved) IS NOT NULL THEN
            EXECUTE format('ALTER FUNCTION public.%s SET SCHEMA pinacle', moved);
        END IF;
    END LOOP;
    CREATE TABLE pinacle._sqlx_migrations (LIKE public._sqlx_migrations INCLUDING ALL);
    INSERT INTO pinacle._sqlx_migrations SELECT * FROM public._sqlx_migrations WHERE version BETWEEN 1 AND 8;
    DELETE FROM public._sqlx_migrations WHERE version BETWEEN 1 AND 8;
    IF NOT EXISTS (SELECT FROM public._sqlx_migrations) THEN
        DROP TABLE public._sqlx_migrations;
    END IF;
END $$;

-- The first migrations name no schema, and their functions name another, until they are replaced by those in functions/.
SET LOCAL search_path = pinacle;
SET LOCAL check_function_bodies = off;
