//! A command inside a pod, by the duration in its log row, beside `docker exec` alone.

use std::{process::Command, time::Instant};

use serde_json::json;

use crate::{
    pods::ms_since,
    rounds,
    support::{PodHost, TestDb, Worker},
    table::{Series, Table, Target},
};

/// The same command runs several times in one job, so that the worker's connection is warm.
const COMMANDS: usize = 10;
const MAX_RATIO: f64 = 1.5;

pub async fn measure(table: &mut Table) {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("bench-commands", &json!({ "hooks": { "preStart": vec!["true"; COMMANDS] } })).await;
    db.done(&pod, "create").await;

    let (mut ours, mut theirs) = (vec![], vec![]);
    // Each round has many commands; the cost of jobs is measured elsewhere.
    for _ in 0..rounds().div_ceil(4) {
        let job = db.job(&pod, "restart").await;
        assert_eq!(db.end_of(&job).await.status, "succeeded");
        let rows = format!(
            "SELECT duration FROM pod_logs WHERE job_id = '{job}' AND label IS NOT NULL AND container_command = 'true'"
        );
        let rows = db.texts(&rows).await;
        assert_eq!(rows.len(), COMMANDS, "a hook has no row of its own");
        ours.extend(rows.iter().map(|duration| duration.parse::<f64>().unwrap()));
        theirs.extend((0..COMMANDS).map(|_| docker_exec(&pod)));
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();

    table.compared(
        "ms",
        &Series { what: "a command inside a pod (`true`), its row's duration", figures: ours },
        &Series { what: "docker exec … true", figures: theirs },
        &[Target::RatioAtMost(MAX_RATIO)],
    );
}

fn docker_exec(pod: &str) -> f64 {
    let began = Instant::now();
    let status = Command::new("docker").args(["exec", &format!("pinacle-pod-{pod}"), "true"]).status().unwrap();
    assert!(status.success());
    ms_since(began)
}
