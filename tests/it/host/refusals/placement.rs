//! Pods for which there is no place.

use serde_json::json;

use super::{assert_failed_and_bare, assert_says, refused, requeue};
use crate::support::{PodHost, TestDb, Worker};

async fn add_server(db: &TestDb, name: &str, status: &str, memory_mb: i32) {
    db.execute(&format!(
        "INSERT INTO servers (name, connection, status, cpu_cores, memory_mb, disk_gb)
         VALUES ('{name}', 'local', '{status}', 64, {memory_mb}, 1000)"
    ))
    .await;
}

/// The app may choose the server itself; its room is counted then, too.
#[tokio::test]
async fn a_chosen_server_without_room_takes_no_pod() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    let _worker = Worker::start(&db).await;
    add_server(&db, "roomy", "online", 65536).await;
    add_server(&db, "small", "online", 512).await;
    host.is_of(&db).await;
    let pod = db.pod("a", &json!({})).await;
    db.execute("UPDATE pods SET server_id = (SELECT id FROM servers WHERE name = 'small')").await;
    let error = db.refused(&pod, "create").await;
    assert_says(&error, &["server small has no room", "dev.small (0.5 CPU, 1024 MB of memory, 10 GB of disk)"]);
    assert_failed_and_bare(&db, &pod, &error).await;
    host.assert_as_before();
}

/// One that takes no new pods says so.
#[tokio::test]
async fn a_chosen_server_that_is_draining_takes_no_new_pod() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    let server = host.add_to(&db).await;
    db.execute("UPDATE servers SET status = 'draining'").await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    db.execute(&format!("UPDATE pods SET server_id = '{server}'")).await;
    let error = db.refused(&pod, "create").await;
    assert_says(&error, &["server host is draining", "takes no new pods", "servers resume host"]);
    assert_failed_and_bare(&db, &pod, &error).await;
    host.assert_as_before();

    db.execute("UPDATE servers SET status = 'online'").await;
    requeue(&db, &pod).await;
    // Those that are there already go on.
    db.execute("UPDATE servers SET status = 'draining'").await;
    db.done(&pod, "restart").await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_full_port_range_is_said() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    let server = host.add_to(&db).await;
    db.execute(&format!(
        "INSERT INTO pods (id, name, slug, server_id)
         SELECT 'filler_' || port, 'filler', 'filler-' || port, '{server}' FROM generate_series(30000, 40000) AS port"
    ))
    .await;
    db.execute("UPDATE pods SET proxy_port = split_part(id, '_', 2)::int").await;
    let _worker = Worker::start(&db).await;
    let (pod, error) = refused(&db, "a", &json!({})).await;
    assert_says(&error, &["no port is free on server host", "30000 to 40000", "Destroy pods, or add a server"]);
    host.assert_as_before();

    db.execute("DELETE FROM pods WHERE id = 'filler_32567'").await;
    requeue(&db, &pod).await;
    assert_eq!(db.proxy_port(&pod).await, "32567");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
