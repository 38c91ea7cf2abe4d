//! The host's half of the fence, over both transports: of two executions of a pod only the newer one has effects.

mod by_hand;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use pinacle_worker::{
    model::LeaseClock,
    remote::{Command, ConnectionError, Host, Outcome, guard::FencedBy},
};
use uuid::Uuid;

use crate::{
    host::exec::{Marked, over_both, script, start, try_exec},
    support::eventually,
};

over_both!(
    a_higher_lease_ends_what_a_lower_one_runs,
    a_higher_lease_kills_what_will_not_end,
    a_lower_lease_is_refused,
    an_expired_order_is_refused,
    what_a_lost_connection_left_is_ended_first,
    of_racing_leases_the_highest_has_the_last_word,
    a_dead_guard_leaves_nothing_running,
    the_end_of_a_fence_removes_its_file,
    pods_do_not_wait_for_each_other
);

/// A pod that only these tests know.
pub struct FencedPod(String);

impl FencedPod {
    pub fn new() -> Self {
        Self(format!("host-test-{}", Uuid::new_v4().simple()))
    }

    pub fn id(&self) -> &str {
        &self.0
    }

    pub fn lease(&self, lease: i64) -> FencedBy {
        self.lease_until(lease, Instant::now() + Duration::from_hours(1))
    }

    fn lease_until(&self, lease: i64, valid_until: Instant) -> FencedBy {
        FencedBy { pod_id: self.0.clone(), lease, clock: LeaseClock::new(valid_until) }
    }

    pub fn file(&self) -> PathBuf {
        Path::new("/var/lib/pinacle-worker/fences").join(&self.0)
    }

    /// The lease and the guard that the fence file names.
    fn holder(&self) -> Option<(i64, String)> {
        let text = std::fs::read_to_string(self.file()).ok()?;
        let mut words = text.split_whitespace();
        Some((words.next()?.parse().unwrap(), words.next()?.to_owned()))
    }
}

impl Drop for FencedPod {
    fn drop(&mut self) {
        drop(std::fs::remove_file(self.file()));
    }
}

const FAMILY: &str = "sh -c 'sleep 600; :' & echo ready; sleep 600; :";

async fn a_higher_lease_ends_what_a_lower_one_runs(host: Arc<Host>) {
    let (pod, mark) = (FencedPod::new(), Marked::new());
    let old = start(&host, &mark.script(FAMILY), Some(&pod.lease(3)));
    old.shows("ready").await;
    // On another connection, as another worker's would be.
    let ran = try_exec(&host, &mark.count(), Some(&pod.lease(4))).await.unwrap();
    assert_eq!((ran.outcome, ran.stdout.trim()), (Outcome::Exited(0), "0"), "something of the old lease still lives");
    assert_eq!(old.end().await.unwrap(), Outcome::Ended);
    mark.assert_gone();
    assert_eq!(pod.holder().unwrap().0, 4);
}

async fn a_higher_lease_kills_what_will_not_end(host: Arc<Host>) {
    let (pod, mark) = (FencedPod::new(), Marked::new());
    let stubborn = "trap '' TERM; sh -c 'sleep 600; :' & echo ready; sleep 600; sleep 600";
    let old = start(&host, &mark.script(stubborn), Some(&pod.lease(3)));
    old.shows("ready").await;
    let ran = try_exec(&host, &mark.count(), Some(&pod.lease(4))).await.unwrap();
    assert_eq!((ran.outcome, ran.stdout.trim()), (Outcome::Exited(0), "0"));
    assert_eq!(old.end().await.unwrap(), Outcome::Ended);
    mark.assert_gone();
}

async fn a_lower_lease_is_refused(host: Arc<Host>) {
    let pod = FencedPod::new();
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let touch = Command::new("touch").arg(canary.to_str().unwrap());
    assert!(try_exec(&host, &Command::new("true"), Some(&pod.lease(10))).await.unwrap().outcome.success());
    for lease in [9, 2, 0] {
        let refused = try_exec(&host, &touch, Some(&pod.lease(lease))).await.unwrap_err();
        assert!(matches!(refused, ConnectionError::Fenced), "{refused:?}");
    }
    // Also while the newer one works, which it does not notice.
    let newer = start(&host, &script("echo ready; sleep 1; echo done", []), Some(&pod.lease(11)));
    newer.shows("ready").await;
    let refused = try_exec(&host, &touch, Some(&pod.lease(10))).await.unwrap_err();
    assert!(matches!(refused, ConnectionError::Fenced), "{refused:?}");
    newer.shows("done").await;
    assert_eq!(newer.end().await.unwrap(), Outcome::Exited(0));
    assert!(!canary.exists(), "a command of a lower lease ran");
    assert!(try_exec(&host, &touch, Some(&pod.lease(11))).await.unwrap().outcome.success());
    assert!(canary.exists());
}

async fn an_expired_order_is_refused(host: Arc<Host>) {
    let pod = FencedPod::new();
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let touch = Command::new("touch").arg(canary.to_str().unwrap());
    let now = Instant::now();
    for valid_until in [now.checked_sub(Duration::from_mins(1)).unwrap(), now] {
        let refused = try_exec(&host, &touch, Some(&pod.lease_until(1, valid_until))).await.unwrap_err();
        assert!(matches!(refused, ConnectionError::Expired), "{refused:?}");
    }
    assert!(!canary.exists() && pod.holder().is_none());
    // A heartbeat that comes while the connection is made counts.
    let renewed = pod.lease_until(1, now);
    renewed.clock.extend(Instant::now() + Duration::from_secs(10));
    assert!(try_exec(&host, &touch, Some(&renewed)).await.unwrap().outcome.success());
}

async fn what_a_lost_connection_left_is_ended_first(host: Arc<Host>) {
    let (pod, mark) = (FencedPod::new(), Marked::new());
    for _ in 0..3 {
        let lost = start(&host, &mark.script(FAMILY), Some(&pod.lease(5)));
        lost.shows("ready").await;
        lost.drop_it().await;
        let ran = try_exec(&host, &mark.count(), Some(&pod.lease(5))).await.unwrap();
        assert_eq!((ran.outcome, ran.stdout.trim()), (Outcome::Exited(0), "0"), "two commands of one pod at once");
    }
}

async fn of_racing_leases_the_highest_has_the_last_word(host: Arc<Host>) {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..6_usize {
        let pod = FencedPod::new();
        let effects = folder.path().join(round.to_string());
        let mut leases: Vec<i64> = (1..=6).collect();
        leases.rotate_left(round);
        let commands: Vec<_> = leases
            .iter()
            .map(|lease| {
                let act = "for i in 1 2 3 4 5; do echo $1 >>\"$2\"; sleep 0.05; done";
                let command = script(act, [&lease.to_string(), effects.to_str().unwrap()]);
                (*lease, start(&host, &command, Some(&pod.lease(*lease))))
            })
            .collect();
        for (lease, running) in commands {
            match running.end().await {
                Ok(Outcome::Exited(0)) => {}
                Ok(Outcome::Ended) | Err(ConnectionError::Fenced) if lease < 6 => {}
                other => panic!("lease {lease}: {other:?}"),
            }
        }
        let effects = std::fs::read_to_string(&effects).unwrap();
        let effects: Vec<i64> = effects.lines().map(|line| line.parse().unwrap()).collect();
        assert!(effects.is_sorted(), "a lower lease had effects after a higher one: {effects:?}");
        assert!(effects.ends_with(&[6; 5]), "{effects:?}");
    }
}

async fn a_dead_guard_leaves_nothing_running(host: Arc<Host>) {
    // As the kernel does that has no memory left: without a word, and whom it likes.
    for whom in ["guard", "runner", "both"] {
        let (pod, mark) = (FencedPod::new(), Marked::new());
        let old = start(&host, &mark.script(FAMILY), Some(&pod.lease(3)));
        old.shows("ready").await;
        let (_, guard) = pod.holder().unwrap();
        let runner = children(&guard).into_iter().find(|pid| !children(pid).is_empty()).unwrap();
        let victims: &[&str] = match whom {
            "guard" => &[&guard],
            "runner" => &[&runner],
            _ => &[&runner, &guard],
        };
        assert!(std::process::Command::new("kill").arg("-KILL").args(victims).status().unwrap().success());
        let ran = try_exec(&host, &mark.count(), Some(&pod.lease(4))).await.unwrap();
        assert_eq!((ran.outcome, ran.stdout.trim()), (Outcome::Exited(0), "0"), "{whom}");
        mark.assert_gone();
        assert!(!old.end().await.unwrap().success());
    }
}

/// The processes that a process has started.
fn children(pid: &str) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

async fn the_end_of_a_fence_removes_its_file(host: Arc<Host>) {
    let pod = FencedPod::new();
    assert!(try_exec(&host, &Command::new("true"), Some(&pod.lease(1))).await.unwrap().outcome.success());
    assert!(pod.file().exists());
    // A pod that could not be removed keeps it.
    let failed = try_exec(&host, &Command::new("false").closes_fence(), Some(&pod.lease(2))).await.unwrap();
    assert_eq!((failed.outcome, pod.holder().unwrap().0), (Outcome::Exited(1), 2));
    let closed = try_exec(&host, &Command::new("true").closes_fence(), Some(&pod.lease(2))).await.unwrap();
    assert_eq!((closed.outcome, pod.file().exists()), (Outcome::Exited(0), false));
    // A destroy that is tried again finds none, which does no harm.
    let again = try_exec(&host, &Command::new("true").closes_fence(), Some(&pod.lease(3))).await.unwrap();
    assert_eq!((again.outcome, pod.file().exists()), (Outcome::Exited(0), false));
}

async fn pods_do_not_wait_for_each_other(host: Arc<Host>) {
    let (pods, mark) = ([FencedPod::new(), FencedPod::new()], Marked::new());
    let long = start(&host, &mark.script(FAMILY), Some(&pods[0].lease(1)));
    long.shows("ready").await;
    assert!(try_exec(&host, &Command::new("true"), Some(&pods[1].lease(1))).await.unwrap().outcome.success());
    assert!(!mark.processes().is_empty());
    long.cancel.cancel();
    assert_eq!(long.end().await.unwrap(), Outcome::Ended);
    eventually("the lock to be free", async || {
        std::process::Command::new("flock")
            .arg("-n")
            .arg(pods[0].file())
            .arg("true")
            .status()
            .unwrap()
            .success()
            .then_some(())
    })
    .await;
}
