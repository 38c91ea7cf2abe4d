//! Health, readiness and metrics, as a supervisor and a monitoring system ask for them.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{TestDb, Worker, eventually, worker};

/// Where the worker says that it serves.
fn address(worker: &Worker) -> String {
    let log = worker.log();
    let (_, rest) = log.split_once("Health and metrics are served on http://").expect("the address in the log");
    rest.split_whitespace().next().unwrap().trim_end_matches('.').to_owned()
}

/// The status and the body of a page. `None` where nobody answers.
async fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split_whitespace().nth(1)?.parse().ok()?, body.to_owned()))
}

async fn ready(address: &str) -> (u16, String) {
    get(address, "/readyz").await.expect("an answer")
}

/// Waits until /readyz says so.
async fn until_ready(address: &str, status: u16, says: &str) {
    eventually(says, async || {
        let (now, body) = get(address, "/readyz").await?;
        (now == status && body.contains(says)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_takes_jobs_is_healthy_and_ready() {
    let db = TestDb::new().await;
    let worker = Worker::start(&db).await;
    let address = address(&worker);
    assert_eq!(get(&address, "/healthz").await.unwrap().0, 200);
    assert_eq!(ready(&address).await, (200, "ready\n".to_owned()));
    assert_eq!(get(&address, "/").await.unwrap().0, 404);
}

#[tokio::test]
async fn a_schema_that_is_not_current_is_not_ready() {
    let db = TestDb::new().await;
    let worker = Worker::start(&db).await;
    let address = address(&worker);
    // As where the binary is newer than the database: the last migration is missing.
    db.execute(
        "UPDATE _sqlx_migrations SET success = false WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .await;
    let (status, says) = ready(&address).await;
    assert!(status == 503 && says.contains("pinacle-worker migrate"), "{status} {says}");
    assert_eq!(get(&address, "/healthz").await.unwrap().0, 200, "the process lives");
    db.execute("ALTER TABLE _sqlx_migrations RENAME TO moved").await;
    assert_eq!(ready(&address).await.0, 503);
    db.execute("ALTER TABLE moved RENAME TO _sqlx_migrations").await;
    db.execute("UPDATE _sqlx_migrations SET success = true").await;
    assert_eq!(ready(&address).await.0, 200);
}

#[tokio::test]
async fn a_worker_without_a_database_is_not_ready_and_recovers() {
    let db = TestDb::new().await;
    let worker = Worker::start(&db).await;
    let address = address(&worker);
    let pod = db.pod("a", &json!({})).await;
    let outside = TestDb::empty().await;
    let name = db.text("SELECT current_database()").await;

    outside.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    outside.execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    until_ready(&address, 503, "the database does not respond").await;
    assert_eq!(get(&address, "/healthz").await.unwrap().0, 200, "the process lives");

    outside.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    until_ready(&address, 200, "ready").await;
    let job = db.job(&pod, "destroy").await;
    assert_eq!(db.end_of(&job).await.status, "succeeded", "and it takes jobs again");
}

/// A host that takes connections and never says a word, so that a job hangs on it for a while.
async fn silent_host(db: &TestDb) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    db.ssh_server("silent", listener.local_addr().unwrap().port()).await;
    listener
}

#[tokio::test]
async fn a_worker_that_was_told_to_stop_is_not_ready_while_its_jobs_end() {
    let db = TestDb::new().await;
    let _listener = silent_host(&db).await;
    let worker = Worker::start_with(&db, &[("DRAIN_TIMEOUT", "4")]).await;
    let address = address(&worker);
    let pod = db.pod("a", &json!({})).await;
    let job = db.job(&pod, "create").await;
    db.until(&format!("SELECT step = 'port' FROM pod_jobs WHERE id = '{job}'")).await;

    // Somebody who began to ask and never goes on must not keep it from its end.
    let mut stalled = TcpStream::connect(&address).await.unwrap();
    stalled.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    worker.signal("-TERM");
    until_ready(&address, 503, "stopping").await;
    assert_eq!(get(&address, "/healthz").await.unwrap().0, 200, "the process lives");

    let late = db.job(&db.pod("b", &json!({})).await, "destroy").await;
    assert_eq!(worker.stopped().await, Some(0));
    drop(stalled);
    assert_eq!(get(&address, "/healthz").await, None);
    // What ran has gone back to the line, with its attempt; what came later was not taken.
    let row = db.text(&format!("SELECT (status, attempt) FROM pod_jobs WHERE id = '{job}'")).await;
    assert_eq!(row, "(retrying,0)");
    assert_eq!(db.text(&format!("SELECT status FROM pod_jobs WHERE id = '{late}'")).await, "queued");
}

#[tokio::test]
async fn metrics_count_the_jobs() {
    let db = TestDb::new().await;
    let worker = Worker::start(&db).await;
    let address = address(&worker);
    for slug in ["a", "b"] {
        let pod = db.pod(slug, &json!({})).await;
        db.refused(&pod, "stop").await;
        db.done(&pod, "destroy").await;
    }
    let page = eventually("the counters", async || {
        let (status, page) = get(&address, "/metrics").await?;
        assert_eq!(status, 200);
        page.contains(r#"pinacle_jobs_total{kind="destroy",outcome="succeeded"} 2"#).then_some(page)
    })
    .await;
    for line in [
        "# TYPE pinacle_jobs_total counter",
        r#"pinacle_jobs_total{kind="stop",outcome="failed"} 2"#,
        r#"pinacle_job_duration_seconds_count{kind="destroy"} 2"#,
        "pinacle_job_wait_seconds_count 4",
        "pinacle_jobs_running 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} in {page}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_said_at_once() {
    let db = TestDb::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = worker::binary().env("DATABASE_URL", db.url()).env("HTTP_ADDR", &address).arg("run").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains(&format!("HTTP_ADDR {address} cannot be listened on")), "{error}");
}
