//! The schedule: the log cleanup, and that a tick is done once.

use chrono::{DateTime, Utc};
use pinacle_worker::{maintenance::cleanup::Cleanup, store::schedule::claim_tick};
use tokio::task::JoinSet;

use crate::support::{HANG, TestDb, Worker, eventually};

/// `count` rows of a pod's log, all of this age.
async fn rows(db: &TestDb, pod: &str, count: u32, age: &str) {
    db.execute(&format!(
        "INSERT INTO pod_logs (pod_id, command, created_at)
         SELECT '{pod}', 'true', now() - interval '{age}' FROM generate_series(1, {count})"
    ))
    .await;
}

async fn left(db: &TestDb) -> Vec<String> {
    db.texts("SELECT concat_ws(' ', pod_id, count(*)) FROM pod_logs GROUP BY pod_id ORDER BY pod_id").await
}

#[tokio::test]
async fn rows_older_than_five_days_go_in_batches_and_younger_ones_stay() {
    let db = TestDb::new().await;
    db.execute("CREATE TABLE deletions (transaction xid8, count int)").await;
    sqlx::raw_sql(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO pinacle.deletions SELECT pg_current_xact_id(), count(*) FROM gone; RETURN NULL; END $$;
         CREATE TRIGGER note AFTER DELETE ON pod_logs REFERENCING OLD TABLE AS gone
         FOR EACH STATEMENT EXECUTE FUNCTION note();",
    )
    .execute(&db.pool)
    .await
    .unwrap();
    rows(&db, "ancient", 1200, "1 year").await;
    rows(&db, "old", 1200, "5 days 1 minute").await;
    rows(&db, "young", 300, "4 days 23 hours").await;
    rows(&db, "new", 300, "0").await;
    // What counts is when the row was written, not when its command began.
    db.execute("UPDATE pod_logs SET timestamp = now() - interval '1 year' WHERE pod_id = 'new'").await;

    let _worker = Worker::start(&db).await;
    db.until("SELECT NOT EXISTS (SELECT FROM pod_logs WHERE pod_id IN ('ancient', 'old'))").await;

    assert_eq!(left(&db).await, ["new 300", "young 300"]);
    let batches = db
        .text("SELECT (sum(count), max(count) <= 500, count(DISTINCT transaction) >= 5) FROM deletions WHERE count > 0")
        .await;
    assert_eq!(batches, "(2400,t,t)");
}

#[tokio::test]
async fn age_and_interval_are_settings() {
    let db = TestDb::new().await;
    rows(&db, "old", 3, "25 hours").await;
    rows(&db, "young", 3, "23 hours").await;
    let _worker = Worker::start_with(&db, &[("LOG_RETENTION_DAYS", "1"), ("LOG_CLEANUP_INTERVAL", "1")]).await;
    // The first is shortly after the start, the others are ticks.
    for _ in 0..3 {
        db.until("SELECT NOT EXISTS (SELECT FROM pod_logs WHERE pod_id = 'old')").await;
        assert_eq!(left(&db).await, ["young 3"]);
        rows(&db, "old", 3, "25 hours").await;
    }
    assert_ne!(db.text("SELECT count(*) FROM schedule_ticks").await, "0");
}

#[tokio::test]
async fn a_tick_is_taken_once() {
    let db = TestDb::new().await;
    for second in 0..20 {
        let at = DateTime::<Utc>::from_timestamp(1_800_000_000 + second, 0).unwrap();
        let mut takers = JoinSet::new();
        for _ in 0..8 {
            let pool = db.pool.clone();
            takers.spawn(async move { claim_tick(&pool, "log-cleanup", at).await.unwrap() });
        }
        assert_eq!(takers.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
        assert!(claim_tick(&db.pool, "another task", at).await.unwrap());
        assert!(!claim_tick(&db.pool, "log-cleanup", at).await.unwrap());
    }
}

#[tokio::test]
async fn two_workers_do_a_ticks_work_once() {
    let db = TestDb::new().await;
    let settings = [("LOG_CLEANUP_INTERVAL", "1")];
    let workers = tokio::join!(Worker::start_with(&db, &settings), Worker::start_with(&db, &settings));
    let workers = [workers.0, workers.1];
    let runs = |worker: &Worker| worker.log().matches("The log cleanup deleted").count();
    eventually("some cleanups by both", async || workers.iter().all(|worker| runs(worker) >= 2).then_some(())).await;
    let ticks = "SELECT count(*) FROM schedule_ticks WHERE task = 'log-cleanup'";
    db.until(&format!("SELECT ({ticks}) >= 5")).await;

    // Both followed all ticks, so at a moment between two of them: a run a tick, and each worker's first.
    let runs = runs(&workers[0]) + runs(&workers[1]);
    let ticks: usize = db.text(ticks).await.parse().unwrap();
    assert!(runs <= ticks + workers.len(), "{runs} runs for {ticks} ticks");
}

#[tokio::test]
async fn a_row_that_somebody_holds_does_not_stop_the_others_from_going() {
    let db = TestDb::new().await;
    rows(&db, "held", 1, "30 days").await;
    rows(&db, "old", 1200, "6 days").await;
    let mut holder = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM pod_logs WHERE pod_id = 'held' FOR UPDATE").execute(&mut *holder).await.unwrap();
    let cleanup = Cleanup { log_retention_days: 5, pod_limit_mb: 1, job_retention_days: 90 };

    let others = tokio::time::timeout(HANG, cleanup.run(&db.pool)).await.expect("a cleanup that waits for nobody");
    assert_eq!(others.unwrap().logs, 1200);

    assert_eq!(left(&db).await, ["held 1"]);
    holder.rollback().await.unwrap();
    assert_eq!(cleanup.run(&db.pool).await.unwrap().logs, 1);
}

#[tokio::test]
async fn two_cleanups_at_once_share_the_work() {
    let db = TestDb::new().await;
    rows(&db, "old", 3000, "6 days").await;
    let cleanup = Cleanup { log_retention_days: 5, pod_limit_mb: 1, job_retention_days: 90 };
    let (one, other) = tokio::join!(cleanup.run(&db.pool), cleanup.run(&db.pool));
    assert_eq!(one.unwrap().logs + other.unwrap().logs, 3000);
    assert_eq!(left(&db).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_pod_that_fills_the_table_loses_the_oldest_of_its_own() {
    let db = TestDb::new().await;
    // 3 MiB in rows of 1 KiB, a second apart, the newest of which is of a command that runs; and the oldest, too.
    let fill = |pod: &str, rows: u32| {
        format!(
            "INSERT INTO pod_logs (pod_id, command, stdout, exit_code, timestamp)
             SELECT '{pod}', '', repeat('x', 1024), CASE WHEN n NOT IN (1, {rows}) THEN 0 END, now() - ({rows} - n) * interval '1 s'
             FROM generate_series(1, {rows}) AS n"
        )
    };
    db.execute(&fill("loud", 3072)).await;
    for number in 0..250 {
        db.execute(&fill(&format!("quiet-{number}"), 2)).await;
    }
    db.execute(&fill("zealous", 1024)).await;
    let cleanup = Cleanup { log_retention_days: 5, pod_limit_mb: 1, job_retention_days: 90 };
    assert_eq!(cleanup.run(&db.pool).await.unwrap().logs, 2047);
    let loud = "FROM pod_logs WHERE pod_id = 'loud'";
    assert_eq!(
        db.text(&format!("SELECT (count(*), count(*) FILTER (WHERE exit_code IS NULL)) {loud}")).await,
        "(1025,2)"
    );
    let second_oldest = format!("SELECT max(timestamp) - min(timestamp) {loud} AND exit_code IS NOT NULL");
    assert_eq!(db.text(&second_oldest).await, "00:17:02", "1,023 rows in a row");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs WHERE pod_id LIKE 'quiet-%'").await, "500");
    assert_eq!(
        db.text("SELECT count(*) FROM pod_logs WHERE pod_id = 'zealous'").await,
        "1024",
        "just as much as it may"
    );
    assert_eq!(cleanup.run(&db.pool).await.unwrap().logs, 0);
}

#[tokio::test]
async fn jobs_that_were_finished_long_ago_go_but_for_a_pods_last_and_the_one_it_failed_by() {
    let db = TestDb::new().await;
    let pod = db.pod("old", &serde_json::json!({})).await;
    let mut jobs = Vec::new();
    for kind in ["create", "stop", "start", "stop"] {
        jobs.push(db.job(&pod, kind).await);
    }
    // More than a batch of them, and one that waits.
    db.forge(&format!(
        "INSERT INTO pod_jobs (id, pod_id, kind, position) SELECT 'many-' || n, '{pod}', 'stop', -n FROM generate_series(1, 1200) n;
         UPDATE pod_jobs SET status = 'succeeded', created_at = now() - interval '1 year', finished_at = now() - interval '91 days';
         UPDATE pod_jobs SET status = 'queued', finished_at = NULL WHERE id = 'many-700';
         UPDATE pod_jobs SET finished_at = now() - interval '89 days' WHERE id = 'many-800';
         UPDATE pods SET failed_job_id = '{}';
         INSERT INTO pod_job_steps (job_id, position, name, status, attempt) SELECT id, 0, 'place', 'succeeded', 1 FROM pod_jobs",
        jobs[1]
    ))
    .await;
    let cleanup = Cleanup { log_retention_days: 5, pod_limit_mb: 1, job_retention_days: 90 };
    assert_eq!(cleanup.run(&db.pool).await.unwrap().jobs, 1200);
    let mut left = vec![jobs[1].clone(), jobs[3].clone(), "many-700".to_owned(), "many-800".to_owned()];
    left.sort();
    assert_eq!(db.texts("SELECT id FROM pod_jobs ORDER BY id COLLATE \"C\"").await, left);
    assert_eq!(db.text("SELECT count(*) FROM pod_job_steps").await, "4");
    assert_eq!(cleanup.run(&db.pool).await.unwrap().jobs, 0);
}
