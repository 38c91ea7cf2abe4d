//! Many pods, several workers, jobs in overlapping orders.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker};

const PODS: usize = 30;
/// What happens to each pod after its create, in turn.
const FATES: [(&[&str], &str); 5] = [
    (&["stop", "start", "destroy"], "terminated"),
    (&["stop", "destroy"], "terminated"),
    (&["stop"], "stopped"),
    (&["restart"], "running"),
    (&["stop", "stop", "start"], "running"),
];

#[tokio::test]
async fn two_workers_bring_thirty_pods_where_their_last_jobs_asked() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    // Every change of who holds which port, to look for one that was given twice.
    db.execute("CREATE TABLE port_history (port int, held boolean, at timestamptz DEFAULT clock_timestamp())").await;
    db.execute(
        "CREATE FUNCTION note_port() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF OLD.proxy_port IS NOT NULL THEN INSERT INTO pinacle.port_history VALUES (OLD.proxy_port, false); END IF;
             IF NEW.proxy_port IS NOT NULL THEN INSERT INTO pinacle.port_history VALUES (NEW.proxy_port, true); END IF;
             RETURN NULL; END $$",
    )
    .await;
    db.execute(
        "CREATE TRIGGER note_port AFTER UPDATE ON pods FOR EACH ROW
         WHEN (OLD.proxy_port IS DISTINCT FROM NEW.proxy_port) EXECUTE FUNCTION note_port()",
    )
    .await;
    let workers = [Worker::start(&db).await, Worker::start_with(&db, &[("CONCURRENCY", "4")]).await];

    let mut pods = Vec::new();
    for number in 0..PODS {
        let pod = db.pod(&format!("crowd-{number}"), &json!({})).await;
        db.job(&pod, "create").await;
        pods.push(pod);
    }
    // The jobs of all pods, one round after the other, while the first creates are still under way. A destroy would
    // pre-empt what stands before it, so it comes when the rest is done.
    for round in 0..3 {
        for (number, pod) in pods.iter().enumerate() {
            match FATES[number % FATES.len()].0.get(round) {
                Some(&"destroy") | None => {}
                Some(kind) => drop(db.job(pod, kind).await),
            }
        }
    }
    let unfinished = "SELECT count(*) = 0 FROM pod_jobs WHERE status IN ('queued', 'running', 'retrying')";
    db.until(unfinished).await;
    for (number, pod) in pods.iter().enumerate() {
        if FATES[number % FATES.len()].0.contains(&"destroy") {
            db.job(pod, "destroy").await;
        }
    }
    db.until(unfinished).await;

    let failed =
        db.texts("SELECT concat_ws(' ', pod_id, kind, last_error) FROM pod_jobs WHERE status <> 'succeeded'").await;
    assert!(failed.is_empty(), "{failed:#?}");
    for (number, pod) in pods.iter().enumerate() {
        assert_eq!(db.pod_status(pod).await, FATES[number % FATES.len()].1, "crowd-{number}");
    }
    let shared = "SELECT count(DISTINCT worker) FROM pod_jobs WHERE status = 'succeeded'";
    assert_eq!(db.text(shared).await, "2", "both workers took part");
    // A job's first step begins when it was claimed, and a job ends before the next is claimed.
    let out_of_order =
        "SELECT count(*) FROM pod_jobs a JOIN pod_jobs b ON a.pod_id = b.pod_id AND a.position < b.position
        JOIN pod_job_steps s ON s.job_id = b.id WHERE s.started_at < a.finished_at";
    assert_eq!(db.text(out_of_order).await, "0", "jobs of one pod ran in order and one at a time");
    let twice = "SELECT count(*) FROM (
        SELECT held AND lag(held) OVER (PARTITION BY port ORDER BY at) AS taken_while_held FROM port_history) t
        WHERE taken_while_held";
    assert_eq!(db.text(twice).await, "0", "no port was given twice");

    for pod in &pods {
        db.job(pod, "destroy").await;
    }
    db.until(unfinished).await;
    drop(workers);
    host.assert_as_before();
}
