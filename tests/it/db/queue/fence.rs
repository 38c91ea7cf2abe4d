//! A worker that was taken over writes nothing more.

use pinacle_worker::{
    model::{Fence, JobStatus, PodStatus, Reservation, Update},
    store::{
        StoreError, jobs,
        logs::{self, NewLog},
        places,
        pods::{self, Facts},
        steps::Changes,
    },
};
use sqlx::PgPool;

use super::{HOUR, SILENCE, begin_step, claim, end_step, pod, silence_all};
use crate::support::TestDb;

const LOG: NewLog<'_> = NewLog { command: "true", container_command: None, label: None };
const SMALL: Reservation = Reservation { cpu_cores: 0.5, memory_mb: 1024, disk_gb: 10 };
const ENDINGS: [&str; 6] = ["succeed", "terminate", "fail", "close", "retry", "hand back"];

/// Everything that an execution may have written.
const ALL: &str = "SELECT jsonb_pretty(jsonb_build_array(
    (SELECT jsonb_agg(p ORDER BY id) FROM pods p), (SELECT jsonb_agg(j ORDER BY id) FROM pod_jobs j),
    (SELECT jsonb_agg(s ORDER BY job_id, position) FROM pod_job_steps s),
    (SELECT jsonb_agg(l ORDER BY id) FROM pod_logs l), (SELECT jsonb_agg(s) FROM pod_secrets s)))";

type Written = (&'static str, Result<(), StoreError>);

/// Every write of an execution that does not end it.
async fn every_write(db: &PgPool, fence: &Fence, server: &str, log: &str) -> Vec<Written> {
    let output = Update::Append("more".to_owned());
    vec![
        ("the begin of a step", begin_step(db, fence, 0, "place").await),
        ("the end of a step", end_step(db, fence, 0, "place").await),
        ("logs::begin", logs::begin(db, fence, &LOG).await.map(drop)),
        ("logs::write", logs::write(db, fence, log, Some(&output), None).await),
        ("logs::finish", logs::finish(db, fence, log, 0, 5).await),
        ("places::place", places::place(db, fence, SMALL, None, 100).await.map(drop)),
        ("places::reserve", places::reserve(db, fence, server, SMALL).await.map(drop)),
        ("places::take_port", places::take_port(db, fence, server, &[]).await.map(drop)),
        ("pods::set_status", pods::set_status(db, fence, PodStatus::Starting).await),
        ("pods::set_container", pods::set_container(db, fence, Some("c")).await),
        (
            "pods::set_facts",
            pods::set_facts(db, fence, Facts { internal_ip: Some("10.0.0.2"), ..Facts::default() }).await,
        ),
        ("places::release", places::release(db, fence).await),
    ]
}

async fn end(db: &PgPool, fence: &Fence, how: &str) -> Result<(), StoreError> {
    match how {
        "succeed" => jobs::succeed(db, fence, PodStatus::Running, &Changes::default()).await,
        "terminate" => jobs::succeed(db, fence, PodStatus::Terminated, &Changes::default()).await,
        "fail" => jobs::fail(db, fence, JobStatus::Failed, "no", &Changes::default()).await,
        "close" => jobs::close(db, fence, JobStatus::Cancelled, "no").await,
        "retry" => jobs::retry(db, fence, HOUR, "no").await,
        _ => jobs::release(db, fence).await,
    }
}

async fn assert_refused(db: &TestDb, fence: &Fence, server: &str, log: &str, when: &str) {
    let before = db.text(ALL).await;
    let mut writes = every_write(&db.pool, fence, server, log).await;
    for how in ENDINGS {
        writes.push((how, end(&db.pool, fence, how).await));
    }
    for (write, result) in writes {
        assert!(matches!(result, Err(StoreError::Fenced { .. })), "{write} {when}: {result:?}");
    }
    assert_eq!(db.text(ALL).await, before, "{when}");
}

#[tokio::test]
async fn a_worker_that_was_taken_over_writes_nothing() {
    let db = TestDb::new().await;
    let server = db.local_server().await;
    let pod = pod(&db, "a").await;
    db.execute(&format!("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{pod}', 'env', 'A', 'b')")).await;
    db.job(&pod, "create").await;

    let old = claim(&db, &pod, "old").await.unwrap().fence();
    let log = logs::begin(&db.pool, &old, &LOG).await.unwrap();
    for (write, result) in every_write(&db.pool, &old, &server, &log).await {
        assert!(result.is_ok(), "{write} under its own lease: {result:?}");
    }

    silence_all(&db).await;
    assert_eq!(jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap(), 1);
    assert_refused(&db, &old, &server, &log, "once the job was taken back").await;

    let new = claim(&db, &pod, "new").await.unwrap().fence();
    assert_eq!(new.job_id, old.job_id);
    assert!(new.lease > old.lease);
    assert_refused(&db, &old, &server, &log, "while another runs it").await;
    let log = logs::begin(&db.pool, &new, &LOG).await.unwrap();
    for (write, result) in every_write(&db.pool, &new, &server, &log).await {
        assert!(result.is_ok(), "{write} of the one who took over: {result:?}");
    }

    jobs::succeed(&db.pool, &new, PodStatus::Running, &Changes::default()).await.unwrap();
    assert_refused(&db, &old, &server, &log, "after another has finished it").await;
    db.job(&pod, "stop").await;
    claim(&db, &pod, "new").await.unwrap();
    assert_refused(&db, &old, &server, &log, "while the pod's next job runs").await;
}

/// Each way to end an execution is open to the newest lease, and to no other.
#[tokio::test]
async fn only_the_newest_lease_ends_a_job() {
    for how in ENDINGS {
        let db = TestDb::new().await;
        let pod = pod(&db, "a").await;
        db.job(&pod, "create").await;
        let old = claim(&db, &pod, "old").await.unwrap().fence();
        silence_all(&db).await;
        jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap();
        let new = claim(&db, &pod, "new").await.unwrap().fence();
        assert!(matches!(end(&db.pool, &old, how).await, Err(StoreError::Fenced { .. })), "{how}");
        end(&db.pool, &new, how).await.unwrap_or_else(|error| panic!("{how}: {error}"));
        let again = end(&db.pool, &new, how).await;
        assert!(matches!(again, Err(StoreError::Fenced { .. })), "{how} twice: {again:?}");
    }
}

/// Rows that a dead execution left open are closed when the pod is claimed again: a page waits for them.
#[tokio::test]
async fn the_rows_of_a_cut_off_command_are_closed() {
    let db = TestDb::new().await;
    let (pod, other) = (pod(&db, "a").await, pod(&db, "b").await);
    db.job(&pod, "create").await;
    db.job(&other, "create").await;
    let old = claim(&db, &pod, "old").await.unwrap().fence();
    let living = claim(&db, &other, "living").await.unwrap().fence();
    let cut_off = logs::begin(&db.pool, &old, &LOG).await.unwrap();
    let open = logs::begin(&db.pool, &living, &LOG).await.unwrap();
    silence_all(&db).await;
    db.execute("UPDATE pod_jobs SET heartbeat_at = now() WHERE worker = 'living'").await;
    jobs::rescue(&db.pool, SILENCE, SILENCE).await.unwrap();
    claim(&db, &pod, "new").await.unwrap();
    let row = db
        .text(&format!(
            "SELECT (exit_code, duration >= 0, stderr LIKE '%cut off%') FROM pod_logs WHERE id = '{cut_off}'"
        ))
        .await;
    assert_eq!(row, "(255,t,t)");
    assert_eq!(db.text(&format!("SELECT exit_code IS NULL FROM pod_logs WHERE id = '{open}'")).await, "true");
}
