//! Rows of every version through all later migrations: `samples/0003.sql` holds what a database may have whose last migration is
//! 0003. Nothing of it is lost or changed, and what later migrations add to a row is as they say.
//!
//! Who writes a migration writes its sample, and into [`ADDED`] what becomes of the rows before it.

use std::{borrow::Cow, path::Path};

use apalis_postgres::PostgresStorage;
use serde_json::Value;
use sqlx::{Executor, Row, migrate::Migrator};

use crate::support::{TestDb, worker};

static OURS: Migrator = sqlx::migrate!();

/// Comes before the migrations, and has moved the tables from `public` since the one before this.
const SCHEMA: &str = include_str!("../../../../migrations/schema.sql");
const FIRST_IN_ITS_SCHEMA: i64 = 9;

/// What a migration changes in rows that are there: the table, and its columns.
const CHANGED: [(&str, &[&str]); 3] = [
    ("servers", &["updated_at"]),
    ("pods", &["updated_at"]),
    // 0004 closes those of jobs that have ended.
    ("pod_job_steps", &["status", "finished_at", "error"]),
];

/// What becomes of rows that were there before a migration added a column, or filled one in.
const ADDED: [(&str, &str, &str); 11] = [
    (
        "0003: nobody has seen it start",
        "SELECT count(container_started_at) FROM pods WHERE starts_with(id, 'pod_01_')",
        "0",
    ),
    (
        "0004: what is open of a job that does not run is closed, with its reason",
        "SELECT string_agg(concat_ws(' ', job_id, position, status, finished_at IS NOT NULL, error), ', '
                           ORDER BY job_id, position)
         FROM pod_job_steps WHERE starts_with(job_id, 'job_01_') AND status IN ('running', 'failed')",
        "job_01_create_failed 0 failed t exit code 1, job_01_create_failed 1 failed t no more: failed, \
         job_01_create_retrying 0 failed t, job_01_create_running 2 running f",
    ),
    (
        "0006: a server has what its pods reserve that are not destroyed",
        "SELECT (live_pods, reserved_cpu_cores, reserved_memory_mb, reserved_disk_gb)
         FROM servers WHERE id = 'server_01'",
        "(2,1.6,3072,30)",
    ),
    (
        "0006: one without pods has nothing",
        "SELECT DISTINCT (live_pods, reserved_cpu_cores, reserved_memory_mb, reserved_disk_gb)
         FROM servers WHERE starts_with(id, 'server_01_')",
        "(0,0,0,0)",
    ),
    ("0007: nobody owns it", "SELECT count(owner_id) FROM pods WHERE left(id, 6) < 'pod_07'", "0"),
    (
        "0007: nothing is held, and what runs has no slot",
        "SELECT count(slot_owner) + count(slot_server) + count(held_by) FROM pod_jobs WHERE left(id, 6) < 'job_07'",
        "0",
    ),
    (
        "0012: what was seen to run is up, but for what is destroyed",
        "SELECT string_agg(id, ' ' ORDER BY id) FROM pods WHERE up AND id <> 'pod_12'",
        "pod_03_failed pod_03_up",
    ),
    ("0012: nothing is to be said of it", "SELECT count(notice) FROM pod_jobs WHERE id <> 'job_12'", "0"),
    ("wakeups stay apalis's", "SELECT string_agg(job_type, ' ' ORDER BY run_at) FROM apalis.jobs", "pods pods.urgent"),
    (
        "a pod's line keeps its order",
        "SELECT string_agg(id, ' ' ORDER BY position) FROM pod_jobs WHERE pod_id = 'pod_05'",
        "job_05_runs job_05_waits job_05_planned",
    ),
    (
        "there were jobs of each kind and status",
        "SELECT count(DISTINCT (kind, status)) FROM pod_jobs WHERE starts_with(id, 'job_01_')",
        "30",
    ),
];

/// Adds each foreign key anew, which looks at all rows: samples are written past the triggers that do.
const CHECK_REFERENCES: &str = "DO $$
    DECLARE
        key record;
    BEGIN
        FOR key IN SELECT conrelid::regclass AS of, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
                   WHERE contype = 'f' AND connamespace = 'pinacle'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', key.of, key.conname, key.definition);
        END LOOP;
    END $$";

/// Takes the database to this version, as the worker of that time did.
async fn migrate_to(db: &TestDb, version: i64) {
    let migrations: Vec<_> = OURS.iter().filter(|migration| migration.version <= version).cloned().collect();
    let mut migrator = Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT };
    let mut tx = db.pool.begin().await.unwrap();
    if version >= FIRST_IN_ITS_SCHEMA {
        migrator.dangerous_set_table_name("pinacle._sqlx_migrations");
        tx.execute(sqlx::raw_sql(SCHEMA)).await.unwrap();
    }
    migrator.run(&mut *tx).await.unwrap_or_else(|error| panic!("{version}: {error}"));
    tx.commit().await.unwrap();
}

/// Every row of ours, with the name of its table.
async fn rows(db: &TestDb) -> Vec<(String, Value)> {
    let tables =
        "SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'pinacle') AND tablename <> '_sqlx_migrations'";
    let mut all = Vec::new();
    for table in db.texts(tables).await {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT to_jsonb(t) FROM {table} t"))).fetch_all(&db.pool);
        all.extend(rows.await.unwrap().iter().map(|row| (table.clone(), row.get(0))));
    }
    all
}

/// Whether this is the row, with all that it had but for what migrations change.
fn is_still(table: &str, before: &Value, after: &Value) -> bool {
    let changed = CHANGED.iter().find(|(of, _)| *of == table).map_or(&[][..], |(_, columns)| columns);
    let columns = before.as_object().unwrap().iter();
    columns
        .filter(|(column, _)| !changed.contains(&column.as_str()))
        .all(|(column, value)| after.get(column) == Some(value))
}

/// A database of the version before all others, taken through each with its sample; and the samples' rows.
async fn through_all_versions() -> (TestDb, Vec<(String, Value)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/db/schema/samples");
    let db = TestDb::empty().await;
    PostgresStorage::setup(&db.pool).await.unwrap();
    let mut samples = Vec::new();
    for migration in OURS.iter() {
        let file = folder.join(format!("{:04}.sql", migration.version));
        let sample = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "{}: {error}. Each migration has a sample of the rows that a database may have after it",
                file.display()
            )
        });
        migrate_to(&db, migration.version).await;
        let before = rows(&db).await;
        db.forge(&sample).await;
        let new: Vec<_> = rows(&db).await.into_iter().filter(|row| !before.contains(row)).collect();
        assert!(!new.is_empty(), "{} inserts nothing", file.display());
        samples.extend(new);
    }
    (db, samples)
}

#[tokio::test]
async fn rows_of_every_version_come_through_all_migrations_after_it() {
    let (db, samples) = through_all_versions().await;
    let migrated = worker::cli(&db, &["migrate"]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));

    let after = rows(&db).await;
    for (table, row) in &samples {
        let found = after.iter().filter(|(of, now)| of == table && is_still(table, row, now)).count();
        assert_eq!(found, 1, "{table}: {row}");
    }
    for (what, query, expected) in ADDED {
        assert_eq!(db.text(query).await, expected, "{what}");
    }
    sqlx::raw_sql(CHECK_REFERENCES).execute(&db.pool).await.unwrap();

    // What is there can be read by the worker of today.
    for (args, says) in [
        (&["servers", "list"][..], &["one-local", "six"][..]),
        (&["pods", "list", "--all"], &["pod_01_terminated", "pod_12"]),
        (&["pods", "show", "pod_01_running"], &["1-running"]),
        (&["pods", "show", "pod_05"], &["five"]),
        (&["jobs", "list", "--limit", "100"], &["job_01_create_failed", "job_12"]),
        (&["logs", "pod_01_running"], &["npm ci"]),
    ] {
        let shown = worker::cli(&db, args);
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(shown.status.success(), "{args:?}: {}", String::from_utf8_lossy(&shown.stderr));
        for part in says {
            assert!(text.contains(part), "{args:?}: {part} in {text}");
        }
    }
}
