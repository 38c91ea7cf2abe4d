//! Jobs that make no sense for the state of their pod: they fail at once and say what would, and the pod stays as it is.

use serde_json::json;

use super::assert_says;
use crate::support::{TestDb, Worker};

/// Everything about the pods that a job can change.
const PODS: &str = "SELECT jsonb_agg(to_jsonb(p) - 'lease' - 'updated_at' ORDER BY id) FROM pods p";

#[tokio::test]
async fn what_was_never_created_can_only_be_created_or_destroyed() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    let before = db.text(PODS).await;
    for kind in ["start", "stop", "restart"] {
        let error = db.refused(&pod, kind).await;
        assert_says(&error, &[&format!("cannot {kind} the pod"), "never created", "Ask for a create"]);
        assert_eq!(db.text(PODS).await, before);
    }
    db.done(&pod, "destroy").await;
}

#[tokio::test]
async fn what_was_destroyed_can_only_be_destroyed() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    db.done(&pod, "destroy").await;
    let before = db.text(PODS).await;
    for kind in ["create", "start", "stop", "restart"] {
        let error = db.refused(&pod, kind).await;
        assert_says(&error, &[&format!("cannot {kind} the pod"), "it was destroyed", "Insert a new pod"]);
        assert_eq!(db.text(PODS).await, before);
    }
    db.done(&pod, "destroy").await;
    assert_eq!(db.text("SELECT count(*) FROM pod_logs").await, "0");
}

#[tokio::test]
async fn a_payload_with_an_unknown_key_is_refused_with_its_name() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    let before = db.text(PODS).await;
    for kind in ["create", "destroy"] {
        let job = db.text(&format!("SELECT enqueue_pod_job('{pod}', '{kind}', '{{\"force\": true}}')")).await;
        let end = db.end_of(&job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("failed", 1));
        assert_says(&end.last_error, &["payload.force", &format!("a {kind} job takes no payload"), "remove the key"]);
        assert_eq!(db.text(PODS).await, before);
    }
    assert_eq!(db.text("SELECT count(*) FROM pod_logs").await, "0");
}

/// Every command of the pod would fail at it, and blame the user's.
#[tokio::test]
async fn a_secret_whose_name_is_no_variable_is_refused_by_its_name() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    let insert = "INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ($1, 'env', 'A=1; touch /x #', 'quiet')";
    sqlx::query(insert).bind(&pod).execute(&db.pool).await.unwrap();
    let error = db.refused(&pod, "create").await;
    assert_says(&error, &["pod_secrets.name", "A=1; touch /x #", "use letters, digits and _"]);
    assert!(!error.contains("quiet"), "{error}");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs").await, "0");
    db.done(&pod, "destroy").await;
}
