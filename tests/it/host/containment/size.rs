//! What was sold and what is given: a pod's reservation and its container's limits agree, whatever its config becomes.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker,
    host::{inspect, sh},
    worker::cli,
};

/// CPUs and MiB.
fn given(pod: &str) -> (f64, i64) {
    let limits = &inspect(pod)["HostConfig"];
    (limits["NanoCpus"].as_f64().unwrap() / 1e9, limits["Memory"].as_i64().unwrap() / 1024 / 1024)
}

async fn reserved(db: &TestDb) -> (f64, i64) {
    let number = async |column: &str| db.text(&format!("SELECT reserved_{column} FROM servers")).await;
    (number("cpu_cores").await.parse().unwrap(), number("memory_mb").await.parse().unwrap())
}

async fn set_tier(db: &TestDb, tier: &str) {
    db.execute(&format!("UPDATE pods SET config = '{{\"tier\": \"dev.{tier}\"}}'")).await;
}

#[tokio::test]
async fn a_pod_has_what_its_tier_says_from_its_next_start_on() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("resized", &json!({ "tier": "dev.medium" })).await;
    db.done(&pod, "create").await;
    assert_eq!((given(&pod), reserved(&db).await), ((1.0, 2048), (1.0, 2048)));

    // A container that runs keeps what it has, and that is what counts.
    set_tier(&db, "small").await;
    db.done(&pod, "start").await;
    assert_eq!((given(&pod), reserved(&db).await), ((1.0, 2048), (1.0, 2048)));
    db.done(&pod, "restart").await;
    assert_eq!((given(&pod), reserved(&db).await), ((0.5, 1024), (0.5, 1024)));
    let seen = sh(&format!("docker exec pinacle-pod-{pod} awk '/MemTotal/ {{print $2}}' /proc/meminfo"));
    assert_eq!(seen, (1024 * 1024).to_string(), "KiB, as the pod sees it");

    // It grows where there is room, and no further.
    db.done(&pod, "stop").await;
    db.execute("UPDATE servers SET memory_mb = 4096").await;
    set_tier(&db, "xlarge").await;
    let refused = db.refused(&pod, "start").await;
    assert!(refused.contains("server host has no room for tier dev.xlarge"), "{refused}");
    assert_eq!((given(&pod), reserved(&db).await), ((0.5, 1024), (0.5, 1024)));
    set_tier(&db, "large").await;
    db.done(&pod, "start").await;
    assert_eq!((given(&pod), reserved(&db).await), ((2.0, 4096), (2.0, 4096)));
    // It keeps the disk that it was made with, or more.
    assert_eq!(db.text("SELECT reserved_disk_gb FROM servers").await, "40");

    db.done(&pod, "destroy").await;
    assert_eq!(reserved(&db).await, (0.0, 0));
    host.assert_as_before();
}

/// As a pod was after its tier was changed, before containers were resized.
#[tokio::test]
async fn what_a_running_container_has_beyond_its_reservation_is_counted() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("larger", &json!({ "tier": "dev.large" })).await;
    db.done(&pod, "create").await;
    db.execute("UPDATE pods SET cpu_cores = 0.5, memory_mb = 1024").await;
    let output = String::from_utf8(cli(&db, &["reconcile"]).stdout).unwrap();
    assert!(output.contains("its container has 2 CPU and 4096 MB of memory"), "{output}");
    assert_eq!(reserved(&db).await, (2.0, 4096));
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
