//! What the worker leans on fails in the middle of a job: what becomes of the job, of the pod and of the log.

mod clock;
mod database;
mod disk;
mod docker;
mod silence;
mod ssh;

use serde_json::json;

use crate::support::{
    PodHost, TestDb,
    host::{inventory, sh},
};

/// An install that ends by itself only when it is run again.
const HANGS_AT_FIRST: &str = "echo begun >>/workspace/runs; if [ ! -e /workspace/again ]; then : >/workspace/again; \
    echo for the first time; sleep 600; fi; echo ended >>/workspace/runs";

/// A create that is in the middle of [`HANGS_AT_FIRST`] when this returns: the pod and the job.
async fn hanging_create(db: &TestDb, slug: &str) -> (String, String) {
    let pod = db.pod(slug, &json!({ "install": HANGS_AT_FIRST })).await;
    let job = db.job(&pod, "create").await;
    db.until(&format!(
        "SELECT EXISTS (SELECT FROM pod_logs WHERE pod_id = '{pod}' AND stdout = E'for the first time\\n')"
    ))
    .await;
    (pod, job)
}

/// Exit code and stderr of each run of an install, in order.
async fn runs(db: &TestDb, pod: &str, install: &str) -> Vec<String> {
    let install = install.replace('\'', "''");
    db.texts(&format!(
        "SELECT trim(E' \\n' FROM concat_ws(' ', exit_code, stderr)) FROM pod_logs
         WHERE pod_id = '{pod}' AND container_command = '{install}' ORDER BY timestamp"
    ))
    .await
}

/// [`HANGS_AT_FIRST`] was cut off, run again, and nothing of the first run is left, in the pod or on the host.
async fn assert_cut_and_run_again(db: &TestDb, pod: &str, note: &str) {
    let runs = runs(db, pod, HANGS_AT_FIRST).await;
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs[0].starts_with("255 ") && runs[0].contains(note), "{runs:?}");
    assert_eq!(runs[1], "0", "{runs:?}");
    let inside = |script: &str| sh(&format!("docker exec pinacle-pod-{pod} sh -c '{script}'"));
    assert_eq!(inside("cat /workspace/runs"), "begun\nbegun\nended");
    // gVisor's processes are seen from inside only.
    let sleeps = r#"for one in /proc/[0-9]*; do tr "\0" " " <$one/cmdline; echo; done | grep -cx "sleep 600 " || true"#;
    assert_eq!(inside(sleeps), "0");
    assert_eq!(sh(&format!("pgrep -fc '[d]ocker exec -i pinacle-pod-{pod}' || true")), "0");
}

/// The job has succeeded at last, at this attempt or a later one; of the pod there is one of each, and the log waits
/// for nothing. Then the pod goes, and leaves nothing.
async fn assert_made_whole(host: &PodHost, db: &TestDb, pod: &str, job: &str, attempts: std::ops::RangeInclusive<i32>) {
    let end = db.end_of(job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    assert!(attempts.contains(&end.attempt), "attempt {} of {attempts:?}", end.attempt);
    assert_eq!(db.text(&format!("SELECT (status, last_error) FROM pods WHERE id = '{pod}'")).await, "(running,)");
    for (kind, number) in [("container", 1), ("network", 1), ("volume", 2)] {
        let of_pod = |line: &&String| line.starts_with(kind) && line.contains(pod);
        assert_eq!(inventory().iter().filter(of_pod).count(), number, "{kind}: {:?}", inventory());
    }
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} echo alive")), "alive");
    destroy_and_leave_nothing(host, db, pod).await;
}

async fn destroy_and_leave_nothing(host: &PodHost, db: &TestDb, pod: &str) {
    db.done(pod, "destroy").await;
    assert_eq!(db.pod_status(pod).await, "terminated");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs WHERE exit_code IS NULL OR duration IS NULL").await, "0");
    host.assert_as_before();
}

/// Waits until the job is to be tried again, and returns why.
async fn until_retrying(db: &TestDb, job: &str) -> String {
    db.until(&format!("SELECT status = 'retrying' FROM pod_jobs WHERE id = '{job}'")).await;
    db.text(&format!("SELECT last_error FROM pod_jobs WHERE id = '{job}'")).await
}
