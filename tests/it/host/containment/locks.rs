//! Transactions that stay open: what one of them holds of a pod keeps that pod waiting, and no other.

use serde_json::json;
use sqlx::Connection;

use crate::{
    db::containment::locks::held,
    support::{PodHost, TestDb, Worker, host::sh},
};

/// A create whose install command runs, for as many seconds.
async fn installing(db: &TestDb, slug: &str, seconds: u32) -> (String, String) {
    let config = json!({ "install": ["echo begun >> /workspace/runs", format!("sleep {seconds}; echo ended >> /workspace/runs")] });
    let pod = db.pod(slug, &config).await;
    let job = db.job(&pod, "create").await;
    db.until(&format!("SELECT count(*) = 1 FROM pod_logs WHERE pod_id = '{pod}' AND container_command LIKE 'sleep%'"))
        .await;
    (pod, job)
}

/// For longer than it takes until a silent worker's jobs are taken over. What the app does here is what the contract tells
/// it to do; and somebody holds the rows themselves.
#[tokio::test]
async fn an_open_transaction_keeps_its_own_pod_waiting_and_no_other() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let (cancelled, destroyed, locked, bystander) = tokio::join!(
        installing(&db, "cancelled", 120),
        installing(&db, "destroyed", 120),
        installing(&db, "locked", 25),
        installing(&db, "bystander", 25)
    );
    let waiting = db.pod("waiting", &json!({})).await;
    let open = [
        held(&db, &format!("SELECT cancel_pod_job('{}')", cancelled.1)).await,
        held(&db, &format!("INSERT INTO pod_jobs (pod_id, kind) VALUES ('{}', 'destroy')", destroyed.0)).await,
        held(&db, &format!("SELECT FROM pod_jobs WHERE id = '{}' FOR UPDATE", locked.1)).await,
        held(&db, &format!("INSERT INTO pod_jobs (pod_id, kind) VALUES ('{waiting}', 'create')")).await,
    ];
    let since = db.text("SELECT now()").await;

    // Others are claimed, run and end meanwhile, and what ran before goes on.
    let other = db.pod("other", &json!({})).await;
    db.done(&other, "create").await;
    db.done(&other, "destroy").await;
    let end = db.end_of(&bystander.1).await;
    assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 1), "{}", end.last_error);
    db.until(&format!(
        "SELECT bool_and(heartbeat_at > '{since}'::timestamptz + interval '17 seconds') AND count(*) = 3
         FROM pod_job_heartbeats WHERE job_id IN ('{}', '{}', '{}')",
        cancelled.1, destroyed.1, locked.1
    ))
    .await;

    // What was asked for by then comes about, and the rest is as if nothing had been.
    let [cancel, destroy, lock, create] = open;
    for mut committed in [cancel, destroy] {
        sqlx::raw_sql("COMMIT").execute(&mut committed).await.unwrap();
    }
    for rolled_back in [lock, create] {
        rolled_back.close().await.unwrap();
    }
    for (pod, job) in [&cancelled, &destroyed] {
        let end = db.end_of(job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("cancelled", 1), "{pod}: {}", end.last_error);
    }
    db.until(&format!("SELECT status = 'terminated' FROM pods WHERE id = '{}'", destroyed.0)).await;
    db.done(&cancelled.0, "destroy").await;
    for (pod, job) in [&locked, &bystander] {
        let end = db.end_of(job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 1), "{pod}: {}", end.last_error);
        let runs = sh(&format!("docker exec pinacle-pod-{pod} cat /workspace/runs"));
        assert_eq!(runs, "begun\nended", "{pod}");
        db.done(pod, "destroy").await;
    }
    host.assert_as_before();
}
