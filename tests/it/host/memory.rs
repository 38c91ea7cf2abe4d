//! What a worker's memory does when commands print more than it could ever keep, and what counts as a pod's.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker, eventually,
    host::{inspect, sh},
};

const PODS: usize = 10;
/// What each pod prints, in bytes.
const PRINTED: usize = 100_000_000;
/// How much the worker may grow for it, in KiB: a few MiB a command are kept, a thousand MB pass through.
const MAX_GROWTH_KIB: u64 = 200 * 1024;

/// The rows of those commands.
const LOUD: &str = "FROM pod_logs WHERE container_command LIKE 'printf begin%'";

#[tokio::test]
#[ignore = "minutes; `make chaos` runs it"]
async fn ten_commands_that_print_100_mb_each_at_once_cost_the_worker_little_memory() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start_with(&db, &[("CONCURRENCY", "10")]).await;
    let mut pods = Vec::new();
    for number in 0..PODS {
        let pod = db.pod(&format!("loud-{number}"), &json!({})).await;
        pods.push((db.job(&pod, "create").await, pod));
    }
    for (job, _) in &pods {
        let end = db.end_of(job).await;
        assert_eq!(end.status, "succeeded", "{}", end.last_error);
    }
    let baseline = worker.peak_kib();

    // Pods that run already come to their installs at about the same moment.
    let install = format!("head -c {PRINTED} /dev/zero | tr '\\0' x");
    db.execute(&format!(
        "UPDATE pods SET config = jsonb_build_object('install', $$printf begin; {install}; printf end$$)"
    ))
    .await;
    let mut jobs = Vec::new();
    for (_, pod) in &pods {
        jobs.push(db.job(pod, "create").await);
    }
    for job in &jobs {
        let end = db.end_of(job).await;
        assert_eq!(end.status, "succeeded", "{}", end.last_error);
    }
    let (peak, growth) = (worker.peak_kib(), worker.peak_kib() - baseline);

    let spans = format!("SELECT format('%s to %s s', min(duration) / 1000, max(duration) / 1000) {LOUD}");
    eprintln!(
        "{PODS} commands printed {} MB each, in {}; the worker's peak of resident memory: {} MiB before, {} MiB after, \
         so {} MiB more",
        PRINTED / 1_000_000,
        db.text(&spans).await,
        baseline / 1024,
        peak / 1024,
        growth / 1024
    );
    let all_at_once = format!("SELECT max(timestamp) < min(timestamp + duration * interval '1 ms') {LOUD}");
    assert_eq!(db.text(&all_at_once).await, "true", "there was a moment when all printed");
    let whole = format!(
        r"SELECT count(*) {LOUD} AND exit_code = 0 AND length(stdout) BETWEEN 1000000 AND 1050000
          AND left(stdout, 1000) = rpad('begin', 1000, 'x') AND right(stdout, 1000) = lpad('end', 1000, 'x')
          AND stdout ~ 'x\n\[… [0-9]+ bytes cut …\]\nx'"
    );
    assert_eq!(db.text(&whole).await, PODS.to_string(), "head and tail are kept, and what is cut is said");
    assert!(growth < MAX_GROWTH_KIB, "{growth} KiB");
    for (_, pod) in &pods {
        db.done(pod, "destroy").await;
    }
    drop(worker);
    host.assert_as_before();
}

/// What is written is six tenths of what the smallest tier has.
#[tokio::test]
async fn what_is_in_dev_shm_counts_as_the_pods_memory() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("shared", &json!({})).await;
    db.done(&pod, "create").await;
    let dd = |options: &str| {
        let exec = format!("docker exec pinacle-pod-{pod} dd if=/dev/zero {options}");
        sh(&format!("timeout 60 {exec} >/dev/null 2>&1; echo $?"))
    };
    let started = inspect(&pod)["State"]["StartedAt"].clone();
    assert_eq!(dd("of=/dev/shm/file bs=1M count=600"), "0");
    // In a process's own memory it is too much beside that: the kernel kills the pod's sandbox.
    assert_ne!(dd("of=/dev/null bs=600M count=1"), "0");
    eventually("a pod that was killed and runs again", async || {
        let state = &inspect(&pod)["State"];
        (state["StartedAt"] != started && state["Running"] == true).then_some(())
    })
    .await;
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} ls /dev/shm")), "", "the host has it back");
    assert_eq!(dd("of=/dev/null bs=600M count=1"), "0", "alone it is not");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
