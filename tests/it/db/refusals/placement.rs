//! Pods for which there is no place on any server.

use serde_json::json;

use super::{assert_says, refused};
use crate::support::{TestDb, Worker};

/// Nobody reaches it, nor has to.
async fn add_server(db: &TestDb, name: &str, status: &str, memory_mb: i32) {
    db.execute(&format!(
        "INSERT INTO servers (name, ssh_host, ssh_port, status, cpu_cores, memory_mb, disk_gb)
         VALUES ('{name}', '127.0.0.1', 1, '{status}', 64, {memory_mb}, 1000)"
    ))
    .await;
}

#[tokio::test]
async fn without_a_server_that_takes_pods_nothing_is_made() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    let expected = ["no server is online", "servers add", "servers resume"];
    assert_says(&refused(&db, "a", &json!({})).await.1, &expected);
    add_server(&db, "leaving", "draining", 65536).await;
    add_server(&db, "broken", "offline", 65536).await;
    assert_says(&refused(&db, "b", &json!({})).await.1, &expected);
}

#[tokio::test]
async fn without_room_nothing_is_made() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    add_server(&db, "small", "online", 512).await;
    add_server(&db, "roomy", "draining", 65536).await;
    let (_, error) = refused(&db, "a", &json!({ "tier": "dev.medium" })).await;
    assert_says(
        &error,
        &[
            "no online server has room",
            "dev.medium (1 CPU, 2048 MB of memory, 20 GB of disk)",
            "smaller tier",
            "add a server",
        ],
    );
}

/// What other pods have reserved is not there twice, and what destroyed ones had is.
#[tokio::test]
async fn what_others_have_reserved_is_not_given_twice() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    add_server(&db, "small", "online", 1500).await;
    let neighbour = db.pod("neighbour", &json!({})).await;
    db.execute(&format!(
        "UPDATE pods SET server_id = (SELECT id FROM servers), memory_mb = 1024 WHERE id = '{neighbour}'"
    ))
    .await;
    let (_, error) = refused(&db, "a", &json!({})).await;
    assert_says(&error, &["no online server has room", "dev.small (0.5 CPU, 1024 MB of memory, 10 GB of disk)"]);
}
