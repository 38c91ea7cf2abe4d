//! Configs and secrets that are too large for what reads them. An insert refuses them (`db::schema::forged`); these were stored
//! before it did, or past it.

use serde_json::json;

use crate::support::{TestDb, Worker};

/// What a worker may take at most, in KiB: all bombs together are larger.
const MAX_PEAK_KIB: u64 = 200 * 1024;
const BOMBS: usize = 10;

#[tokio::test]
async fn what_is_too_large_fails_its_own_pod_and_no_worker() {
    let db = TestDb::new().await;
    let mut pods = Vec::new();
    for number in 0..BOMBS {
        for bomb in ["config", "secret", "secrets"] {
            pods.push((bomb, db.pod(&format!("{bomb}-{number}"), &json!({})).await));
        }
    }
    db.forge(
        "UPDATE pods SET config = jsonb_build_object('environment', jsonb_build_object('A', repeat('x', 16000000)))
         WHERE slug LIKE 'config-%';
         INSERT INTO pod_secrets (pod_id, kind, name, value)
         SELECT id, 'env', 'A', repeat('x', 16000000) FROM pods WHERE slug LIKE 'secret-%';
         INSERT INTO pod_secrets (pod_id, kind, name, value)
         SELECT id, 'env', 'A' || n, repeat('x', 1000) FROM pods, generate_series(1, 2000) n WHERE slug LIKE 'secrets-%'",
    )
    .await;
    let worker = Worker::start(&db).await;
    let mut jobs = Vec::new();
    for (bomb, pod) in &pods {
        jobs.push((*bomb, db.job(pod, "create").await));
    }
    let bystander = db.pod("bystander", &json!({})).await;
    db.done(&bystander, "destroy").await;
    for (bomb, job) in jobs {
        let end = db.end_of(&job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("failed", 1), "{bomb}: {}", end.last_error);
        let says = if bomb == "config" { "more than 256 KiB" } else { "more than 1 MiB" };
        assert!(end.last_error.contains(says), "{bomb}: {}", end.last_error);
    }
    for (_, pod) in &pods {
        db.done(pod, "destroy").await;
    }
    let peak = worker.peak_kib();
    assert!(peak < MAX_PEAK_KIB, "{peak} KiB");
}
