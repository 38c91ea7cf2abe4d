//! A host that is not there.

use serde_json::json;

use super::{assert_failed_and_bare, assert_says, refused_at_once};
use crate::support::{TestDb, Worker};

/// A port that nobody listens on.
pub fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn add_unreachable_host(db: &TestDb) -> u16 {
    let port = closed_port();
    db.ssh_server("down", port).await;
    port
}

#[tokio::test]
async fn a_host_that_is_down_is_named() {
    let db = TestDb::new().await;
    let port = add_unreachable_host(&db).await;
    let _worker = Worker::start(&db).await;
    let (pod, error) = refused_at_once(&db, "a").await;
    assert_says(
        &error,
        &[
            &format!("127.0.0.1:{port} cannot be reached: Connection refused"),
            "Check that the host is up",
            "SSH port is open",
        ],
    );
    // Nothing of it can be there, so the destroy needs no host.
    db.done(&pod, "destroy").await;
}

#[tokio::test]
async fn a_host_that_is_down_is_tried_again() {
    let db = TestDb::new().await;
    add_unreachable_host(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    db.execute(&format!("INSERT INTO pod_jobs (id, pod_id, kind, max_attempts) VALUES ('job', '{pod}', 'create', 2)"))
        .await;
    db.until("SELECT status = 'retrying' FROM pod_jobs").await;
    let row =
        db.text("SELECT (attempt, run_at > started_at, last_error LIKE '%cannot be reached%') FROM pod_jobs").await;
    assert_eq!(row, "(1,t,t)");
    assert_eq!(db.pod_status(&pod).await, "provisioning", "not yet given up");

    let end = db.end_of("job").await;
    assert_eq!((end.status.as_str(), end.attempt), ("failed", 2));
    assert_says(&end.last_error, &["cannot be reached", "gave up after 2 attempts"]);
    assert_failed_and_bare(&db, &pod, &end.last_error).await;
}
