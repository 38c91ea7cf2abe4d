//! A destroy ends a pod in any state, with anything of it missing.

use std::time::Instant;

use serde_json::json;

use super::{Made, Object};
use crate::support::{
    PodHost, TestDb, Worker,
    host::{inspect, sh},
};

/// Every status of a pod that is not destroyed.
const STATES: [&str; 8] =
    ["pending", "provisioning", "starting", "running", "stopping", "stopped", "failed", "terminating"];
/// The lowest of their ports: far from those that a worker gives first, and below those of outgoing connections.
const PORT: i32 = 32_000;

/// Each round meets every subset of missing objects once and every state twice; eight rounds meet every pair.
async fn destroy_from_every_state(rounds: usize) {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    for round in 0..rounds {
        let began = Instant::now();
        let mut pods = Vec::new();
        for (port, missing) in (PORT..).zip(Object::subsets()) {
            let state = STATES[(pods.len() + round) % STATES.len()];
            let made = Made::new(&db, &server, state, port, &missing).await;
            assert_eq!(made.left().is_empty(), missing.len() == Object::ALL.len(), "{state} without {missing:?}");
            pods.push((made, format!("{state} without {missing:?}")));
        }
        let made_in = began.elapsed();
        let worker = Worker::start_with(&db, &[("CONCURRENCY", "8")]).await;
        let mut jobs = Vec::new();
        for (made, _) in &pods {
            jobs.push(db.job(&made.pod, "destroy").await);
        }
        for (job, (made, what)) in jobs.iter().zip(&pods) {
            let end = db.end_of(job).await;
            assert_eq!(end.status, "succeeded", "{what}: {}", end.last_error);
            made.assert_gone(&db, what).await;
        }
        let destroyed_in = began.elapsed().saturating_sub(made_in);
        worker.stop().await;
        eprintln!("round {}: 16 pods made in {made_in:.1?}, destroyed in {destroyed_in:.1?}", round + 1);
    }
    if rounds == STATES.len() {
        print_table(&db).await;
    }
    host.assert_as_before();
}

async fn print_table(db: &TestDb) {
    let rows = db
        .texts(
            "SELECT format('%s destroys, %s succeeded; median %s s, slowest %s s', count(*),
                           count(*) FILTER (WHERE status = 'succeeded'),
                           round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)::numeric, 2), round(max(took), 2))
             FROM (SELECT status, extract(epoch FROM finished_at - started_at) AS took FROM pod_jobs) AS jobs",
        )
        .await;
    eprintln!("{}", rows.join("\n"));
}

#[tokio::test]
async fn from_every_state_and_with_anything_missing_a_destroy_leaves_nothing() {
    destroy_from_every_state(1).await;
}

mod in_full {
    #[tokio::test]
    #[ignore = "minutes; `make chaos` runs it"]
    async fn from_each_state_with_each_subset_missing_a_destroy_leaves_nothing() {
        super::destroy_from_every_state(super::STATES.len()).await;
    }
}

#[tokio::test]
async fn a_destroy_finds_what_the_database_does_not_know_and_spares_what_it_wrongly_knows() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    let neighbour = Made::new(&db, &server, "stopped", PORT, &[]).await;
    let forgotten = Made::new(&db, &server, "failed", PORT + 1, &[]).await;
    let mistaken = Made::new(&db, &server, "running", PORT + 2, &[]).await;
    let portless = Made::new(&db, &server, "provisioning", PORT + 3, &[]).await;
    db.execute(&format!("UPDATE pods SET container_id = '{}' WHERE id = '{}'", "e".repeat(64), forgotten.pod)).await;
    let others = format!("UPDATE pods SET container_id = '{}' WHERE id = '{}'", neighbour.container, mistaken.pod);
    db.execute(&others).await;
    db.execute(&format!("UPDATE pods SET proxy_port = NULL, container_id = NULL WHERE id = '{}'", portless.pod)).await;
    let _worker = Worker::start(&db).await;
    for (made, what) in [(&forgotten, "an old id"), (&mistaken, "another pod's id"), (&portless, "no port")] {
        db.done(&made.pod, "destroy").await;
        made.assert_gone(&db, what).await;
    }
    assert_eq!(inspect(&neighbour.pod)["Id"], neighbour.container);
    db.done(&neighbour.pod, "destroy").await;
    neighbour.assert_gone(&db, "the neighbour").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_pod_that_no_server_has_is_destroyed_in_any_state() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    for (number, state) in STATES.into_iter().enumerate() {
        let made = Made::new(&db, &server, state, PORT, &Object::ALL).await;
        let port = if number % 2 == 0 { "proxy_port" } else { "NULL" };
        db.execute(&format!("UPDATE pods SET server_id = NULL, proxy_port = {port} WHERE id = '{}'", made.pod)).await;
        db.done(&made.pod, "destroy").await;
        made.assert_gone(&db, state).await;
        // Again, and by the button that a person has.
        assert!(db.try_text(&format!("SELECT requeue_pod('{}')", made.pod)).await.is_err());
        db.done(&made.pod, "destroy").await;
    }
    host.assert_as_before();
}

#[tokio::test]
async fn a_pod_that_could_not_be_destroyed_can_be_once_its_host_is_back() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let made = Made::new(&db, &server, "running", PORT, &[Object::Network]).await;
    db.execute("UPDATE servers SET ssh_port = 1").await;
    let once = "INSERT INTO pod_jobs (id, pod_id, kind, max_attempts) VALUES ('once', $1, 'destroy', 1)";
    sqlx::query(once).bind(&made.pod).execute(&db.pool).await.unwrap();
    let end = db.end_of("once").await;
    assert!(end.status == "failed" && end.last_error.contains("Connection refused"), "{}", end.last_error);
    assert_eq!(db.pod_status(&made.pod).await, "failed");
    let port = sh("printenv PINACLE_DEV_SSH_PORT");
    db.execute(&format!("UPDATE servers SET ssh_port = {port}")).await;
    let requeued = db.text(&format!("SELECT requeue_pod('{}')", made.pod)).await;
    assert_eq!(db.end_of(&requeued).await.status, "succeeded");
    made.assert_gone(&db, "a requeued destroy").await;
    // Its slug is free again.
    db.pod(&format!("left-{}", made.port), &json!({})).await;
    host.assert_as_before();
}
