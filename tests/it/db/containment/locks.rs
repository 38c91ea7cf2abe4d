//! Rows that stay locked: they keep no connection of a worker's. `host::containment::locks` has what goes on meanwhile.

use std::net::TcpListener;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{TestDb, Worker};

/// A transaction that holds what these statements took, until it is dropped.
pub async fn held(db: &TestDb, statements: &str) -> PgConnection {
    let mut open = PgConnection::connect(&db.app_url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {statements}"))).execute(&mut open).await.unwrap();
    open
}

/// More jobs than the worker has connections for are to be written while their pods' rows are locked.
#[tokio::test]
async fn locked_pods_keep_no_connection_from_others() {
    const PODS: usize = 30;
    // The host takes the connection and then hangs up, so that each create is to be tried again.
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let db = TestDb::new().await;
    db.ssh_server("broken", host.local_addr().unwrap().port()).await;
    let settings = [("MAX_JOBS_PER_SERVER", "100")];
    let _worker = Worker::start_with(&db, &settings).await;
    for number in 0..PODS {
        let pod = db.pod(&format!("locked-{number}"), &json!({})).await;
        db.job(&pod, "create").await;
    }
    db.until(&format!("SELECT count(*) = {PODS} FROM pods WHERE server_id IS NOT NULL")).await;
    let open = held(&db, "SELECT FROM pods FOR UPDATE; SELECT FROM pod_jobs FOR UPDATE").await;
    drop(host);

    for number in 0..5 {
        let pod = db.pod(&format!("bystander-{number}"), &json!({})).await;
        db.done(&pod, "destroy").await;
    }
    let waits = "SELECT count(*) = 0 FROM pod_jobs WHERE kind = 'create' AND status <> 'running'";
    assert_eq!(db.text(waits).await, "true", "what is locked waits");
    open.close().await.unwrap();
    db.until("SELECT count(*) = 0 FROM pod_jobs WHERE kind = 'create' AND status = 'running' AND attempt = 1").await;
}
