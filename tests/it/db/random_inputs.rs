//! Inputs that nobody chose, without a host: configs to the resolver, payloads through the queue.

pub mod specs;

use serde_json::json;

use crate::support::{TestDb, Worker};

/// JSON that PostgreSQL takes and a reader of JSON need not.
pub fn beyond_readers() -> [String; 4] {
    [
        format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
        format!(r#"{}"true"{}"#, r#"{"hooks":"#.repeat(2000), "}".repeat(2000)),
        r#"{"ports": [{"name": "web", "internal": 1e400}]}"#.to_owned(),
        format!(r#"{{"tier": {}}}"#, "9".repeat(5000)),
    ]
}

/// Inserts a pod with a config as text, which may be one that `serde_json` can't even hold.
pub async fn pod(db: &TestDb, slug: &str, config: &str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("INSERT INTO pods (name, slug, config) VALUES ($1, $1, $2::jsonb) RETURNING id")
        .bind(slug)
        .bind(config)
        .fetch_one(&db.pool)
        .await
}

#[tokio::test]
async fn a_nul_comes_not_even_as_far_as_the_table() {
    let db = TestDb::new().await;
    let error = pod(&db, "nul", r#"{"install": "a\u0000b"}"#).await.unwrap_err().to_string();
    assert!(error.contains("unsupported Unicode escape sequence"), "{error}");
}

#[tokio::test]
async fn a_payload_of_any_shape_ends_its_job_and_not_its_pods_line() {
    let db = TestDb::new().await;
    let worker = Worker::start(&db).await;
    let pod = db.pod("payload", &json!({})).await;
    for payload in beyond_readers().iter().filter(|payload| payload.starts_with('{')) {
        for kind in ["stop", "destroy"] {
            let insert = "INSERT INTO pod_jobs (pod_id, kind, payload) VALUES ($1, $2, $3::jsonb) RETURNING id";
            let job = sqlx::query_scalar(insert).bind(&pod).bind(kind).bind(payload).fetch_one(&db.pool);
            let job: String = job.await.unwrap();
            let end = db.end_of(&job).await;
            assert_eq!((end.status.as_str(), end.attempt), ("failed", 1), "{}", end.last_error);
            assert!(!end.last_error.is_empty());
        }
    }
    db.done(&pod, "destroy").await;
    assert_eq!(worker.stop().await, Some(0));
}
