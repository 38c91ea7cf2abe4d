//! Bad input of every kind, through the real worker: a sentence that says what happened, to what, and what to do, and
//! nothing that is half made.

mod config;
pub mod hosts;
mod placement;
mod wrong_state;

use serde_json::{Value, json};

use crate::support::TestDb;

/// That the sentence holds all of these.
pub fn assert_says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "{word:?} in {sentence:?}");
    }
}

/// That the pod has failed for this reason, and holds nothing.
pub async fn assert_failed_and_bare(db: &TestDb, pod: &str, error: &str) {
    let row = db
        .text(&format!(
            "SELECT (status, server_id, proxy_port, container_id, internal_ip, public_url, cpu_cores)
         FROM pods WHERE id = '{pod}'"
        ))
        .await;
    assert_eq!(row, "(failed,,,,,,)", "{error}");
    assert_eq!(db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await, error);
}

/// Creates a pod that cannot be, and returns its id and why.
pub async fn refused(db: &TestDb, slug: &str, config: &Value) -> (String, String) {
    let pod = db.pod(slug, config).await;
    let error = db.refused(&pod, "create").await;
    assert_failed_and_bare(db, &pod, &error).await;
    (pod, error)
}

/// The same, where one attempt is enough to know.
pub async fn refused_at_once(db: &TestDb, slug: &str) -> (String, String) {
    let pod = db.pod(slug, &json!({})).await;
    db.execute(&format!("INSERT INTO pod_jobs (id, pod_id, kind, max_attempts) VALUES ('once', '{pod}', 'create', 1)"))
        .await;
    let end = db.end_of("once").await;
    assert_eq!((end.status.as_str(), end.attempt), ("failed", 1), "{}", end.last_error);
    assert_failed_and_bare(db, &pod, &end.last_error).await;
    (pod, end.last_error)
}

/// Runs a failed pod's last failed job again, which must succeed now.
pub async fn requeue(db: &TestDb, pod: &str) {
    let job = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    assert_eq!(db.text(&format!("SELECT (status, last_error) FROM pods WHERE id = '{pod}'")).await, "(running,)");
}
