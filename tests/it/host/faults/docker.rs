//! Docker's daemon is killed in the middle of a create.

use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::{assert_cut_and_run_again, assert_made_whole, hanging_create, until_retrying};
use crate::support::{PodHost, TestDb, Worker, env, eventually, host::sh};

/// The development stack's dockerd, which all users of Docker share: they take turns at the pod host, so that nobody
/// else uses it now. `None` where this machine's own is used.
struct Dockerd(String);

impl Dockerd {
    fn of_stack() -> Option<Self> {
        let state = format!("{}/docker", env("PINACLE_DEV_STATE"));
        std::env::var("DOCKER_HOST").ok().filter(|host| host.contains(&state))?;
        let pid = std::fs::read_to_string(format!("{state}/dockerd.pid")).ok()?;
        Some(Self(pid.trim().to_owned()))
    }

    async fn kill(&self) {
        sh(&format!("kill -KILL {}", self.0));
        let answers = || Command::new("docker").arg("version").output().unwrap().status.success();
        eventually("the end of dockerd", async || (!answers()).then_some(())).await;
    }
}

/// Brings it back whatever happens: the next test needs it.
struct Revival;

impl Drop for Revival {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(try_to_revive());
        } else {
            revive();
        }
    }
}

/// The stack starts what has died again, for the time of a command, and the tests run in one of those already.
fn try_to_revive() -> Output {
    let stack = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dev/stack");
    Command::new(stack).args(["run", "docker", "version"]).stdin(Stdio::null()).output().unwrap()
}

fn revive() {
    let output = try_to_revive();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_create_outlives_dockers_daemon() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let (install, container) = ("in a command of the user's", "in a command of Docker's");
    for moment in [install, container] {
        let Some(dockerd) = Dockerd::of_stack() else { return };
        let _revival = Revival;
        let (pod, job) = if moment == install {
            hanging_create(&db, "killed-in-install").await
        } else {
            let pod = db.pod("killed-in-start", &json!({})).await;
            let job = db.job(&pod, "create").await;
            db.until(&format!("SELECT step = 'container' FROM pod_jobs WHERE id = '{job}'")).await;
            (pod, job)
        };
        dockerd.kill().await;
        let error = until_retrying(&db, &job).await;
        assert!(error.contains("Docker"), "{moment}: {error}");
        assert_eq!(db.pod_status(&pod).await, "provisioning", "{moment}");
        revive();
        let end = db.end_of(&job).await;
        assert_eq!(end.status, "succeeded", "{moment}: {}", end.last_error);
        if moment == install {
            assert_cut_and_run_again(&db, &pod, "[the command was cut off: Docker or the container went away").await;
        }
        assert_made_whole(&host, &db, &pod, &job, 2..=5).await;
    }
}
