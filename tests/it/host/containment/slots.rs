//! All slots taken: jobs that take as long as they may, of one owner, in a worker that runs two at a time.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker};

#[tokio::test]
async fn jobs_that_take_for_ever_keep_nobody_elses_from_running() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start_with(&db, &[("CONCURRENCY", "2")]).await;
    let pod = async |slug: &str, owner: &str| {
        let pod = db.pod(slug, &json!({})).await;
        db.forge(&format!("UPDATE pinacle.pods SET owner_id = '{owner}' WHERE id = '{pod}'")).await;
        pod
    };
    let victims = [pod("victim-1", "victim").await, pod("victim-2", "victim").await];
    let attackers = [pod("attack-1", "attacker").await, pod("attack-2", "attacker").await];
    for pod in victims.iter().chain(&attackers) {
        db.done(pod, "create").await;
    }
    // Restarts of what runs, and creates, more of each than there are slots.
    let for_ever = r#"{"hooks": {"preStart": ["sleep 1380"]}, "install": "sleep 1380"}"#;
    let new = [pod("attack-3", "attacker").await, pod("attack-4", "attacker").await, pod("attack-5", "attacker").await];
    db.execute(&format!("UPDATE pods SET config = '{for_ever}' WHERE owner_id = 'attacker'")).await;
    for pod in &attackers {
        db.job(pod, "restart").await;
    }
    for pod in &new {
        db.job(pod, "create").await;
    }
    let attack = "FROM pod_jobs j JOIN pods p ON p.id = j.pod_id WHERE p.owner_id = 'attacker'";
    let is_running =
        format!("SELECT count(*) = 1 {attack} AND j.status = 'running' AND j.step IN ('install', 'preStart')");
    db.until(&is_running).await;

    let another = pod("victim-3", "victim").await;
    db.done(&another, "create").await;
    db.done(&victims[0], "stop").await;
    db.done(&victims[0], "start").await;
    db.done(&victims[1], "restart").await;
    db.done(&victims[1], "destroy").await;
    assert_eq!(db.text(&is_running).await, "true", "the attack went on all the while");

    // The attacker's own are stopped as anybody's: a destroy ends what runs, and waits for nothing.
    for pod in attackers.iter().chain(&new).chain([&another, &victims[0]]) {
        db.done(pod, "destroy").await;
    }
    host.assert_as_before();
}
