//! Names that no variable can have.

use serde_json::json;

use crate::support::{TestDb, Worker};

#[tokio::test]
async fn what_cannot_be_a_variable_is_refused_by_name() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
    let _worker = Worker::start(&db).await;
    for name in ["OPTIND", "TMUX", "A-B", "2A", "a b", ""] {
        let pod =
            db.pod(&format!("pod-{}", uuid::Uuid::new_v4().simple()), &json!({ "environment": { name: "1" } })).await;
        let error = db.refused(&pod, "create").await;
        assert!(error.contains("environment") && error.contains(name), "{name}: {error}");
        let secret = db.pod(&format!("pod-{}", uuid::Uuid::new_v4().simple()), &json!({})).await;
        db.execute(&format!(
            "INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{secret}', 'env', '{name}', '1')"
        ))
        .await;
        let error = db.refused(&secret, "create").await;
        assert!(error.contains("pod_secrets.name") && error.contains(name), "{name}: {error}");
    }
}
