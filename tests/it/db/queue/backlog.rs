//! What the queue does for one pod costs the same whatever waits, and the sweep looks at a portion of it.

use pinacle_worker::store::{Portion, jobs, wakeups};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{SILENCE, claim, pod, silence_all, status};
use crate::support::TestDb;

const BACKLOG: u32 = 5000;
/// A plan is made anew for the first five executions of a statement, and kept after that.
const EXECUTIONS: usize = 8;
/// How many more blocks of the tables a statement may touch with a backlog: indexes get deeper.
const MORE_BLOCKS: i64 = 60;

/// Pods with a destroy each, in one statement.
async fn backlog(db: &TestDb, name: &str, count: u32) {
    db.execute(&format!(
        "INSERT INTO pods (id, name, slug) SELECT '{name}-' || g, 'a', '{name}-' || g FROM generate_series(1, {count}) g"
    ))
    .await;
    db.execute(&format!(
        "INSERT INTO pod_jobs (pod_id, kind) SELECT '{name}-' || g, 'destroy' FROM generate_series(1, {count}) g"
    ))
    .await;
}

/// The blocks that a statement touches, with all that it calls.
async fn blocks(connection: &mut PgConnection, statement: &str) -> i64 {
    let explained = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}");
    let row = sqlx::query(AssertSqlSafe(explained)).fetch_one(connection).await.unwrap();
    let plan: serde_json::Value = row.get(0);
    let plan = &plan[0]["Plan"];
    plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap()
}

/// The most that any of the later executions touches, each for a pod of its own.
async fn most_blocks(connection: &mut PgConnection, statement: impl Fn(usize) -> String) -> i64 {
    let mut most = 0;
    for execution in 1..=EXECUTIONS {
        let touched = blocks(connection, &statement(execution)).await;
        if execution > 5 {
            most = most.max(touched);
        }
    }
    most
}

/// The statistics are of tables in which nothing waits, and the plans are of those with few rows: as they are when a
/// backlog comes at once.
#[tokio::test]
async fn a_claim_and_an_insert_touch_one_pods_line() {
    for history in [0, BACKLOG] {
        touch_one_pods_line(history).await;
    }
}

/// Behind `history` finished jobs.
async fn touch_one_pods_line(history: u32) {
    let db = TestDb::new().await;
    backlog(&db, "old", history).await;
    db.execute("UPDATE pod_jobs SET status = 'cancelled', finished_at = now()").await;
    db.execute("VACUUM ANALYZE").await;
    let mut session = PgConnection::connect(&db.app_url()).await.unwrap();
    let claim = |name: &'static str| {
        move |nth: usize| {
            format!("SELECT * FROM claim_pod_job('{name}-{nth}', 'none', true, 'w', interval '1 hour', 10, 10, 10)")
        }
    };
    // Behind the first destroy another one may stand, and is looked for.
    let enqueue =
        |name: &'static str| move |nth: usize| format!("SELECT enqueue_pod_job('{name}-{}', 'destroy')", nth + 10);
    let busy = |name: &'static str| move |nth: usize| format!("SELECT pod_is_busy('{name}-{nth}')");
    backlog(&db, "few", 20).await;
    let few = [
        most_blocks(&mut session, claim("few")).await,
        most_blocks(&mut session, enqueue("few")).await,
        most_blocks(&mut session, busy("few")).await,
    ];
    backlog(&db, "many", BACKLOG).await;
    let many = [
        most_blocks(&mut session, claim("many")).await,
        most_blocks(&mut session, enqueue("many")).await,
        most_blocks(&mut session, busy("many")).await,
    ];
    for (few, many) in few.iter().zip(many) {
        assert!(many <= few + MORE_BLOCKS, "{many} blocks with a backlog, {few} without, behind {history} jobs");
    }
}

#[tokio::test]
async fn a_fetch_takes_the_first_of_the_waiting_wakeups_from_their_index() {
    let db = TestDb::new().await;
    db.execute("ANALYZE").await;
    let mut session = PgConnection::connect(&db.app_url()).await.unwrap();
    db.execute("INSERT INTO apalis.workers (id, worker_type, storage_name, last_seen) VALUES ('w', 'a', 'a', now())")
        .await;
    backlog(&db, "many", BACKLOG).await;
    let mut tx = session.begin().await.unwrap();
    sqlx::query("SELECT apalis.get_jobs('w', 'pods.urgent', 10)").execute(&mut *tx).await.unwrap();
    let read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'apalis.jobs'::regclass";
    let rows: i64 = sqlx::query_scalar(read).fetch_one(&mut *tx).await.unwrap();
    assert!((10..100).contains(&rows), "{rows} rows read for 10");
}

/// A sweep looks at a portion, the next one at the next, and in the end every lost wakeup is written anew.
#[tokio::test]
async fn lost_wakeups_are_found_in_portions() {
    let db = TestDb::new().await;
    backlog(&db, "many", 1200).await;
    db.execute("UPDATE pod_jobs SET run_at = now() - interval '1 minute'").await;
    db.execute("DELETE FROM apalis.jobs").await;
    let mut session = PgConnection::connect(&db.app_url()).await.unwrap();
    let first = "SELECT is_woken((SELECT job FROM apalis.jobs LIMIT 1), 'pods.urgent')";
    let mut portion = Portion::default();
    let mut written = Vec::new();
    for _ in 0..4 {
        written.push(wakeups::notify_lost(&db.pool, &mut portion).await.unwrap());
    }
    assert_eq!(written, [500, 500, 200, 0], "and then it begins anew");
    assert_eq!(db.text("SELECT count(DISTINCT job) FROM apalis.jobs WHERE job_type = 'pods.urgent'").await, "1200");
    // Whether one waits is looked up by the pod.
    blocks(&mut session, first).await;
    let touched = blocks(&mut session, first).await;
    assert!(touched < 100, "{touched} blocks");
}

#[tokio::test]
async fn a_row_that_is_locked_keeps_only_its_own_pod_waiting() {
    let db = TestDb::new().await;
    let mut dead = Vec::new();
    for slug in ["locked-job", "locked-pod", "free"] {
        let pod = pod(&db, slug).await;
        let job = db.job(&pod, "create").await;
        claim(&db, &pod, "gone").await.unwrap();
        dead.push((pod, job));
    }
    silence_all(&db).await;
    let mut other = db.pool.begin().await.unwrap();
    for locked in [
        format!("SELECT FROM pod_jobs WHERE id = '{}' FOR UPDATE", dead[0].1),
        format!("SELECT FROM pods WHERE id = '{}' FOR UPDATE", dead[1].0),
    ] {
        sqlx::query(AssertSqlSafe(locked)).execute(&mut *other).await.unwrap();
    }
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 1);
    assert_eq!(status(&db, &dead[2].1).await, "retrying");
    // A worker that is woken for the pod does not wait for whoever changes its row, and comes back.
    db.execute("DELETE FROM apalis.jobs").await;
    other.rollback().await.unwrap();
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 2);
    let mut other = db.pool.begin().await.unwrap();
    let lock = format!("SELECT FROM pods WHERE id = '{}' FOR UPDATE", dead[1].0);
    sqlx::query(AssertSqlSafe(lock)).execute(&mut *other).await.unwrap();
    db.execute("DELETE FROM apalis.jobs").await;
    assert!(claim(&db, &dead[1].0, "next").await.is_none());
    other.rollback().await.unwrap();
    assert_eq!(db.texts("SELECT convert_from(job, 'UTF8') FROM apalis.jobs").await, [format!("\"{}\"", dead[1].0)]);
    assert!(claim(&db, &dead[1].0, "next").await.is_some());
}

/// A wakeup that was fetched by a worker without a slot, or by one that died, comes to another.
#[tokio::test]
async fn fetched_wakeups_are_given_back() {
    let db = TestDb::new().await;
    db.execute("INSERT INTO apalis.workers (id, worker_type, storage_name, last_seen) VALUES ('w', 'a', 'a', now())")
        .await;
    backlog(&db, "few", 3).await;
    let fetch = "SELECT count(*) FROM apalis.get_jobs('w', 'pods.urgent', 10)";
    assert_eq!(db.text(fetch).await, "3");
    wakeups::requeue_stale(&db.pool).await.unwrap();
    assert_eq!(db.text(fetch).await, "0", "they were fetched just now");
    wakeups::offer(&db.pool, "w").await.unwrap();
    assert_eq!(db.text(fetch).await, "3");
    db.execute("UPDATE apalis.jobs SET lock_at = now() - interval '1 minute'").await;
    wakeups::requeue_stale(&db.pool).await.unwrap();
    assert_eq!(db.text(fetch).await, "3");
}
