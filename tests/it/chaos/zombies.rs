//! A worker that was frozen past its lease goes on where it was, while the pod is another's. It must neither write a row
//! nor run a command; and either half of the fence is needed for that.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use super::lane::Lane;
use crate::support::{PodHost, Worker, eventually, host::sh};

/// What runs in the pod, so that a second run can be told.
const INSTALL: &str = "echo run >>/workspace/runs";

/// What a zombie did after it woke.
#[derive(Debug, Default, PartialEq, Eq)]
struct Deeds {
    wrote: bool,
    ran: bool,
}

/// What Docker begins for a pod from a moment on, as its events tell.
struct Events<'a> {
    pod: &'a str,
    child: Child,
    file: tempfile::NamedTempFile,
}

impl<'a> Events<'a> {
    fn of(pod: &'a str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new("docker")
            .args(["events", "--since", &sh("date +%s.%N"), "--filter", &format!("label=pinacle.pod={pod}")])
            .args(["--format", "{{.Type}} {{.Action}}"])
            .stdout(File::create(file.path()).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { pod, child, file }
    }

    /// All up to now, for which something is begun here. The end of an earlier command may come late; it is left out.
    async fn begun(&self) -> Vec<String> {
        const LAST: &str = "container exec_create: true";
        sh(&format!("docker exec pinacle-pod-{} true", self.pod));
        let events = eventually("the last event", async || {
            let events = std::fs::read_to_string(self.file.path()).unwrap();
            events.split_once(LAST).map(|(events, _)| events.to_owned())
        })
        .await;
        events.lines().filter(|event| !event.contains("exec_die")).map(str::to_owned).collect()
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Everything that the database says of a pod.
async fn all_rows(lane: &Lane) -> String {
    let rows = ["pods", "pod_jobs", "pod_job_steps", "pod_logs"]
        .map(|table| format!("(SELECT jsonb_agg(t ORDER BY t::text) FROM {table} t)"));
    lane.db.text(&format!("SELECT jsonb_build_array({})", rows.join(", "))).await
}

/// Freezes a worker before the first effect that is called like this, in a create, and has another worker bring that
/// create to its end meanwhile.
async fn take_over(lane: &Lane, effect: &str, faults: &[(&str, &str)]) -> (Worker, String) {
    let db = &lane.db;
    let zombie = lane.worker(&[&[("PINACLE_FAULT_FREEZE_AT", effect)], faults].concat()).await;
    let pod = db.pod("haunted", &json!({ "install": INSTALL })).await;
    let job = db.job(&pod, "create").await;
    zombie.until_frozen().await;
    let heir = lane.worker(&[]).await;
    let end = db.end_of(&job).await;
    assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 2), "{}", end.last_error);
    heir.stop().await;
    (zombie, pod)
}

/// Wakes a worker whose create was taken over.
async fn haunt(lane: &Lane, effect: &str, faults: &[(&str, &str)]) -> Deeds {
    let (zombie, pod) = take_over(lane, effect, faults).await;
    let fence = || sh(&format!("cat /var/lib/pinacle-worker/fences/{pod}"));
    let runs = || sh(&format!("docker exec pinacle-pod-{pod} cat /workspace/runs"));
    let (rows, signed, ran) = (all_rows(lane).await, fence(), runs());
    let events = Events::of(&pod);
    zombie.signal("-CONT");
    eventually("the end of the zombie's execution", async || ended(&zombie, &pod).then_some(())).await;
    let begun = events.begun().await;
    drop(events);
    let deeds =
        Deeds { wrote: all_rows(lane).await != rows, ran: !begun.is_empty() || fence() != signed || runs() != ran };
    drop(zombie);
    lane.bring(&pod, &["destroy"]).await;
    deeds
}

/// Whether the worker says that its create of the pod has ended, however that was.
fn ended(worker: &Worker, pod: &str) -> bool {
    worker.log().contains(&format!("The create of pod {pod}: "))
}

/// The database's half of the fence taken out: the lease of a pod that is taken over does not grow.
async fn without_growing_leases(lane: &Lane) {
    for statement in [
        "CREATE FUNCTION keep_lease() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN NEW.lease := greatest(OLD.lease, 1); RETURN NEW; END $$",
        "CREATE TRIGGER keep_lease BEFORE UPDATE OF lease ON pods FOR EACH ROW EXECUTE FUNCTION keep_lease()",
    ] {
        lane.db.execute(statement).await;
    }
}

const WRITE: &str = "a command's end";
const COMMAND: &str = INSTALL;
const NOTHING: Deeds = Deeds { wrote: false, ran: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_writes_nothing_and_runs_nothing_and_either_half_of_the_fence_is_needed_for_that() {
    let host = PodHost::in_lane().await;
    let lanes = [Lane::new(&host).await, Lane::new(&host).await, Lane::new(&host).await, Lane::new(&host).await];
    without_growing_leases(&lanes[2]).await;
    let no_host_fence = [("PINACLE_FAULT_NO_HOST_FENCE", "1")];
    let (write, command, unfenced_write, unfenced_command) = tokio::join!(
        haunt(&lanes[0], WRITE, &[]),
        haunt(&lanes[1], COMMAND, &[]),
        haunt(&lanes[2], WRITE, &[]),
        haunt(&lanes[3], COMMAND, &no_host_fence),
    );
    assert_eq!((write, command), (NOTHING, NOTHING));
    assert!(unfenced_write.wrote, "without the database's half the zombie writes: this test would not notice");
    assert!(unfenced_command.ran, "without the host's half the zombie's command runs: this test would not notice");
    host.assert_as_before();
}

/// Its transaction holds a lock: at the pod's place the one on the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_frozen_in_a_transaction_holds_nobody_up() {
    let host = PodHost::in_lane().await;
    let lane = Lane::new(&host).await;
    let (zombie, pod) = take_over(&lane, "the pod's place", &[]).await;
    drop(zombie);
    lane.bring(&pod, &["destroy"]).await;
    host.assert_as_before();
}
