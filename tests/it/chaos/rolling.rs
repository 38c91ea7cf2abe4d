//! A deploy: the workers are replaced one after the other while they work.

use serde_json::json;

use super::lane::Lane;
use crate::support::{PodHost, TestDb, Worker};

/// So many pods are there at a time, or the host would have no room for them.
const BATCH: usize = 10;

/// Replaces two workers in turn while they create and destroy pods, and returns how often.
async fn roll(batches: usize) -> usize {
    let host = PodHost::in_lane().await;
    let lane = Lane::new(&host).await;
    let db = &lane.db;
    note_retries(db).await;
    let mut workers = [worker(&lane).await, worker(&lane).await];
    let mut replaced = 0;
    for batch in 0..batches {
        let mut pods = Vec::new();
        for number in 0..BATCH {
            let pod = db.pod(&format!("rolled-{batch}-{number}"), &json!({ "install": "sleep 1" })).await;
            db.job(&pod, "create").await;
            pods.push(pod);
        }
        replaced += replace_while_busy(&lane, &mut workers).await;
        for pod in pods {
            db.job(&pod, "destroy").await;
        }
    }
    replaced += replace_while_busy(&lane, &mut workers).await;
    let not_smooth = "SELECT concat_ws(' ', kind, status, attempt, last_error) FROM pod_jobs
        WHERE status <> 'succeeded' OR attempt <> 1";
    let why = db.texts("SELECT error FROM pinacle.retries").await;
    assert_eq!(db.texts(not_smooth).await, [""; 0], "each is done at its first attempt, but {why:#?}");
    drop(workers);
    host.assert_as_before();
    replaced
}

/// Writes down why a job goes back into its line: its row forgets that when it succeeds.
async fn note_retries(db: &TestDb) {
    for statement in [
        "CREATE TABLE pinacle.retries (error text)",
        "CREATE FUNCTION pinacle.note_retry() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO pinacle.retries VALUES (NEW.attempt || ': ' || NEW.last_error); RETURN NULL; END $$",
        "CREATE TRIGGER note_retry AFTER UPDATE ON pinacle.pod_jobs FOR EACH ROW
         WHEN (NEW.status = 'retrying' AND OLD.status = 'running') EXECUTE FUNCTION pinacle.note_retry()",
    ] {
        db.execute(statement).await;
    }
}

async fn worker(lane: &Lane) -> Worker {
    lane.worker(&[("CONCURRENCY", "4")]).await
}

async fn replace_while_busy(lane: &Lane, workers: &mut [Worker; 2]) -> usize {
    const UNFINISHED: &str = "SELECT count(*) FROM pod_jobs WHERE status IN ('queued', 'running', 'retrying')";
    let mut replaced = 0;
    loop {
        let left: usize = lane.db.text(UNFINISHED).await.parse().unwrap();
        if left == 0 {
            return replaced;
        }
        // Some more are done, so that the replacing never keeps up with the work.
        lane.db.until(&format!("SELECT ({UNFINISHED}) <= {}", left.saturating_sub(2))).await;
        let old = std::mem::replace(&mut workers[replaced % 2], worker(lane).await);
        assert_eq!(old.stop().await, Some(0));
        replaced += 1;
    }
}

#[tokio::test]
async fn replacing_the_workers_one_after_the_other_fails_no_create() {
    assert!(roll(1).await > 1);
}

#[tokio::test]
#[ignore = "takes minutes; make chaos runs it"]
async fn replacing_the_workers_one_after_the_other_fails_none_of_a_hundred_creates() {
    let replaced = roll(100 / BATCH).await;
    eprintln!("100 creates, the workers replaced {replaced} times, no attempt burnt");
}
