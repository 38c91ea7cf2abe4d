//! Configs that cannot be a pod, of one that was to be made and of one that is there.

use serde_json::json;

use super::{assert_says, refused, requeue};
use crate::support::{PodHost, TestDb, Worker};

#[tokio::test]
async fn a_config_that_was_mended_makes_a_pod() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let (pod, error) = refused(&db, "a", &json!({ "tier": "huge" })).await;
    assert_says(&error, &["no tier named"]);
    host.assert_as_before();

    db.execute("UPDATE pods SET config = '{\"tier\": \"dev.small\"}'").await;
    requeue(&db, &pod).await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// A pod that runs and whose config is broken later can still be stopped and destroyed, and says why it won't start.
#[tokio::test]
async fn a_pod_with_a_broken_config_can_be_stopped_and_destroyed() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    db.done(&pod, "create").await;
    db.execute("UPDATE pods SET config = '[]'").await;
    db.done(&pod, "stop").await;
    let error = db.refused(&pod, "start").await;
    assert_says(&error, &["the config must be an object"]);
    assert_eq!(db.pod_status(&pod).await, "failed");
    assert_ne!(db.text("SELECT proxy_port FROM pods").await, "", "its port and its data stay its own");

    db.execute("UPDATE pods SET config = '{}'").await;
    requeue(&db, &pod).await;
    db.execute("UPDATE pods SET config = '3'").await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
