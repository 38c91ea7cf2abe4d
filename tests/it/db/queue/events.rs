//! `NOTIFY pod_events`: what a page follows.

use pinacle_worker::{
    model::{JobStatus, PodStatus},
    store::{jobs, pods, steps::Changes},
};
use serde_json::{Value, json};
use sqlx::postgres::PgListener;

use super::{begin_step, claim, end_step, pod};
use crate::support::TestDb;

async fn heard(events: &mut PgListener) -> Value {
    serde_json::from_str(events.recv().await.unwrap().payload()).unwrap()
}

#[tokio::test]
async fn every_change_is_announced_with_the_contracts_keys() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    let mut events = db.events().await;
    let job = db.job(&pod, "create").await;
    let of_job = |status: &str, step: Option<&str>, done: Option<i32>, total: Option<i32>| {
        json!({ "pod_id": pod, "job_id": job, "kind": "create", "status": status, "step": step, "steps_done": done,
                "steps_total": total })
    };
    let of_pod = |status: &str| {
        json!({ "pod_id": pod, "job_id": null, "kind": null, "status": status, "step": null, "steps_done": null,
                "steps_total": null })
    };
    assert_eq!(heard(&mut events).await, of_job("queued", None, None, None));

    let claimed = claim(&db, &pod, "a").await.unwrap();
    assert_eq!(heard(&mut events).await, of_job("running", None, None, None));

    let fence = claimed.fence();
    pods::set_status(&db.pool, &fence, PodStatus::Provisioning).await.unwrap();
    assert_eq!(heard(&mut events).await, of_pod("provisioning"));
    begin_step(&db.pool, &fence, 0, "place").await.unwrap();
    assert_eq!(heard(&mut events).await, of_job("running", Some("place"), Some(0), Some(2)));
    end_step(&db.pool, &fence, 0, "place").await.unwrap();
    assert_eq!(heard(&mut events).await, of_job("running", Some("place"), Some(1), Some(2)));

    // What a page cannot show is not announced: heartbeats, and what is learned of the pod.
    jobs::renew(&db.pool, "a", std::slice::from_ref(&job)).await.unwrap();
    pods::set_container(&db.pool, &fence, Some("c")).await.unwrap();
    jobs::retry(&db.pool, &fence, std::time::Duration::ZERO, "for now").await.unwrap();
    assert_eq!(heard(&mut events).await, of_job("retrying", Some("place"), Some(1), Some(2)));

    let fence = claim(&db, &pod, "a").await.unwrap().fence();
    assert_eq!(heard(&mut events).await["status"], "running");
    jobs::fail(&db.pool, &fence, JobStatus::Failed, "no", &Changes::default()).await.unwrap();
    let mut both = [heard(&mut events).await, heard(&mut events).await];
    both.sort_by_key(|event| event["job_id"].is_string());
    assert_eq!(both, [of_pod("failed"), of_job("failed", Some("place"), Some(1), Some(2))]);
}
