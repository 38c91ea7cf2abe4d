//! An installation of before, which has everything in `public`, upgraded in place.

use std::borrow::Cow;

use apalis_postgres::PostgresStorage;
use sqlx::migrate::Migrator;

use crate::support::{TestDb, Worker, worker};

static OURS: Migrator = sqlx::migrate!();

/// The last migration of the versions before: the first release, and the one with slots.
const BEFORE: [i64; 2] = [4, 8];

/// As an old worker left it: pods in all states, a log, a secret, a job that waits, and one that was running when its worker
/// was stopped for the upgrade.
const IN_USE: &str = "
    INSERT INTO servers (name, connection, cpu_cores, memory_mb, disk_gb, status)
    VALUES ('host', 'local', 64, 65536, 1000, 'offline');
    INSERT INTO pods (id, name, slug, config, status)
    SELECT 'pod_' || n, 'Pod ' || n, 'pod-' || n, '{\"tier\": \"dev.small\"}', (ARRAY['running', 'stopped', 'failed'])[1 + n % 3]
    FROM generate_series(1, 30) n;
    INSERT INTO pod_jobs (pod_id, kind) SELECT id, 'create' FROM pods;
    UPDATE pod_jobs SET status = 'succeeded', finished_at = now();
    DELETE FROM apalis.jobs;
    INSERT INTO pod_logs (pod_id, command, container_command, stdout, exit_code, duration)
    SELECT id, 'docker exec …', 'npm ci', repeat('x', 1000), 0, 5 FROM pods;
    INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('pod_1', 'env', 'TOKEN', 'hidden');
    INSERT INTO pods (id, name, slug) VALUES ('pod_flight', 'a', 'flight'), ('pod_waits', 'a', 'waits');
    INSERT INTO pods (id, name, slug, status) VALUES ('pod_long', 'a', repeat('a', 63), 'stopped');
    INSERT INTO pod_jobs (id, pod_id, kind) VALUES ('job_flight', 'pod_flight', 'destroy'), ('job_waits', 'pod_waits', 'destroy');
    UPDATE pods SET status = 'terminating', lease = 1 WHERE id = 'pod_flight';
    UPDATE pod_jobs SET status = 'running', lease = 1, attempt = 1, worker = 'old', heartbeat_at = now(),
           deadline_at = now() + interval '30 minutes', started_at = now() WHERE id = 'job_flight';
    INSERT INTO pod_job_steps (job_id, position, name, status, attempt) VALUES ('job_flight', 0, 'remove container', 'running', 1);";

/// What of it has to be the same afterwards.
const KEPT: [&str; 6] = [
    "SELECT jsonb_agg(to_jsonb(p) - ARRAY['updated_at', 'owner_id', 'up'] ORDER BY id) FROM pods p",
    "SELECT jsonb_agg(to_jsonb(j) - ARRAY['slot_owner', 'slot_server', 'held_by', 'notice'] ORDER BY id) FROM pod_jobs j",
    "SELECT jsonb_agg(l ORDER BY id) FROM pod_logs l",
    "SELECT jsonb_agg(s) FROM pod_secrets s",
    "SELECT jsonb_agg(s) FROM pod_job_steps s",
    "SELECT id FROM pinacle_installation",
];

/// In `public`, as the version had it whose last migration that was.
async fn of_version(last: i64) -> TestDb {
    let db = TestDb::empty().await;
    PostgresStorage::setup(&db.pool).await.unwrap();
    let migrations: Vec<_> = OURS.iter().filter(|migration| migration.version <= last).cloned().collect();
    Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }.run(&db.pool).await.unwrap();
    sqlx::raw_sql(IN_USE).execute(&db.pool).await.unwrap();
    db
}

async fn kept(db: &TestDb) -> Vec<String> {
    let mut kept = Vec::new();
    for what in KEPT {
        kept.push(db.text(what).await);
    }
    kept
}

/// A slug could have 63 characters. Its pod's row is written as any other, and only another such slug is refused.
async fn a_slug_of_before_is_kept(db: &TestDb) {
    for set in
        ["status = 'running', last_error = 'a'", "name = 'b', config = '{}'", "slug = slug", "status = 'stopped'"]
    {
        db.execute(&format!("UPDATE pods SET {set} WHERE id = 'pod_long'")).await;
    }
    let longer = db.try_execute("UPDATE pods SET slug = repeat('b', 44) WHERE id = 'pod_long'").await;
    assert!(longer.unwrap_err().to_string().contains("up to 43 small letters"));
}

#[tokio::test]
async fn an_installation_of_before_moves_into_its_schema_and_goes_on() {
    for last in BEFORE {
        let db = of_version(last).await;
        // The app's own, with names like ours.
        db.execute("CREATE FUNCTION public.wake_pod() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
        db.execute("CREATE TABLE public.pod_notes (id int)").await;
        let before = kept(&db).await;
        let migrated = worker::cli(&db, &["migrate"]);
        assert!(migrated.status.success(), "{last}: {}", String::from_utf8_lossy(&migrated.stderr));

        assert_eq!(kept(&db).await, before, "{last}");
        let left = "SELECT coalesce(string_agg(relname, ' '), '') FROM pg_class
                    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')";
        assert_eq!(db.text(left).await, "pod_notes", "{last}: what is the app's stays, and nothing of ours");
        let functions = "SELECT coalesce(string_agg(f.oid::regprocedure::text, ' '), '') FROM pg_proc f
            WHERE f.pronamespace = 'public'::regnamespace
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = f.oid AND d.deptype = 'e')";
        assert_eq!(db.text(functions).await, "wake_pod()", "{last}");
        let outdated =
            "SELECT count(*) FROM pg_proc WHERE pronamespace = 'pinacle'::regnamespace AND prosrc LIKE '%public.%'";
        assert_eq!(db.text(outdated).await, "0", "{last}");

        let again = worker::cli(&db, &["migrate"]);
        assert!(again.status.success(), "{last}: {}", String::from_utf8_lossy(&again.stderr));
        a_slug_of_before_is_kept(&db).await;
        let _worker = Worker::start(&db).await;
        for (job, attempt) in [("job_waits", 1), ("job_flight", 2)] {
            let end = db.end_of(job).await;
            assert_eq!((end.status.as_str(), end.attempt), ("succeeded", attempt), "{last}: {job}: {}", end.last_error);
        }
        let new = db.pod("new", &serde_json::json!({})).await;
        assert!(new.starts_with("pod_"), "{new}");
        db.done(&new, "destroy").await;
        db.done("pod_long", "destroy").await;
    }
}
