//! How much the worker adds to the docker commands of a create, and how soon after a commit it begins.
//!
//! Two ratios and no absolute claim: each round creates a pod by the worker and then runs the same docker commands by a
//! shell script on the same machine, one after another, so both see the same noise.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on shall panic")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, clippy::print_stderr, reason = "shared with the tests, which use more of it")]
mod support;

use std::time::Instant;

use serde_json::json;
use support::{PodHost, TestDb, Worker, host::sh};

const ROUNDS: usize = 10;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
async fn main() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    // The first pod finds cold caches and no connection; it is in no figure.
    let script = record_script(&db).await;

    let (mut first_command_ms, mut worker_ms, mut script_ms, mut ratios) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let pod = db.pod(&format!("bench-{round}"), &json!({})).await;
        let job = db.job(&pod, "create").await;
        // Read right after the commit, by the same clock as the log's rows.
        let committed: f64 = db.text("extract(epoch FROM clock_timestamp())").await.parse().unwrap();
        let began = Instant::now();
        assert_eq!(db.end_of(&job).await.status, "succeeded");
        let by_worker = began.elapsed().as_secs_f64() * 1000.0;
        let first = format!("SELECT min(extract(epoch FROM timestamp)) FROM pod_logs WHERE job_id = '{job}'");
        first_command_ms.push((db.text(&first).await.parse::<f64>().unwrap() - committed).max(0.0) * 1000.0);
        db.done(&pod, "destroy").await;

        let began = Instant::now();
        sh(&script);
        let by_script = began.elapsed().as_secs_f64() * 1000.0;
        sh(
            "docker rm -f pinacle-pod-script; docker network rm pinacle-pod-script; docker volume rm pinacle-pod-script",
        );
        worker_ms.push(by_worker);
        script_ms.push(by_script);
        ratios.push(by_worker / by_script);
    }
    println!("{ROUNDS} rounds, side by side                       min    median       max");
    print("create, insert to running, by the worker, ms", &mut worker_ms);
    print("the same docker commands by a script, ms", &mut script_ms);
    print("ratio of the two", &mut ratios);
    print("commit to the first command on the host, ms", &mut first_command_ms);
    host.assert_as_before();
}

/// The host commands of a create as the log has them, with names of the script's own.
async fn record_script(db: &TestDb) -> String {
    let pod = db.pod("bench-recorded", &json!({})).await;
    db.done(&pod, "create").await;
    let commands = db
        .texts(&format!(
            "SELECT command FROM pod_logs WHERE pod_id = '{pod}' AND command LIKE 'docker%' ORDER BY timestamp"
        ))
        .await;
    db.done(&pod, "destroy").await;
    let bridge = commands.iter().find_map(|command| command.split("bridge.name=").nth(1)).unwrap().get(..15).unwrap();
    let script = commands.join("\n").replace(&pod, "script").replace(bridge, "br-script");
    format!("set -e\nexec </dev/null\n{script}\n")
}

#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
fn print(what: &str, figures: &mut [f64]) {
    figures.sort_by(f64::total_cmp);
    let (min, median, max) = (figures[0], figures[figures.len() / 2], figures[figures.len() - 1]);
    println!("{what:<44} {min:>9.2} {median:>9.2} {max:>9.2}");
}
