//! A deploy: the workers are replaced one after the other while they work.

use serde_json::json;

use super::lane::Lane;
use crate::support::PodHost;

const UNFINISHED: &str = "SELECT count(*) FROM pod_jobs WHERE status IN ('queued', 'running', 'retrying')";

/// Replaces two workers in turn until all creates are done, and returns how often.
async fn roll(creates: usize) -> usize {
    let host = PodHost::turn().await;
    let lane = Lane::new(&host).await;
    let db = &lane.db;
    let settings = [("CONCURRENCY", "4")];
    let mut workers = [lane.worker(&settings).await, lane.worker(&settings).await];
    for number in 0..creates {
        let pod = db.pod(&format!("rolled-{number}"), &json!({ "install": "sleep 1" })).await;
        db.job(&pod, "create").await;
    }
    let (mut replaced, mut left) = (0, creates);
    while left > 0 {
        // Some more are done, so that the replacing never keeps up with the work.
        let some = left.min(2);
        db.until(&format!("SELECT ({UNFINISHED}) <= {}", left - some)).await;
        let old = std::mem::replace(&mut workers[replaced % 2], lane.worker(&settings).await);
        assert_eq!(old.stop().await, Some(0));
        replaced += 1;
        left = db.text(UNFINISHED).await.parse().unwrap();
    }
    let not_smooth = "SELECT concat_ws(' ', kind, status, attempt, last_error) FROM pod_jobs
        WHERE status <> 'succeeded' OR attempt <> 1";
    assert_eq!(db.texts(not_smooth).await, [""; 0], "each is done at its first attempt");
    for pod in db.texts("SELECT id FROM pods").await {
        db.job(&pod, "destroy").await;
    }
    db.until(&format!("SELECT ({UNFINISHED}) = 0")).await;
    drop(workers);
    host.assert_as_before();
    replaced
}

#[tokio::test]
async fn replacing_the_workers_one_after_the_other_fails_no_create() {
    assert!(roll(8).await > 1);
}

#[tokio::test]
#[ignore = "takes minutes; make chaos runs it"]
async fn replacing_the_workers_one_after_the_other_fails_none_of_a_hundred_creates() {
    eprintln!("100 creates, the workers replaced {} times, no attempt burnt", roll(100).await);
}
