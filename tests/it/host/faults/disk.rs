//! The disk of a pod host is full, so that the fence can't be written.

use serde_json::json;

use super::{assert_made_whole, until_retrying};
use crate::{
    host::sshd::{Sshd, User},
    support::{PodHost, TestDb, Worker, host::sh},
};

/// A disk with room for a few files, at a user's home.
struct TinyDisk(String);

impl TinyDisk {
    fn at_home_of(user: &User) -> Self {
        let (home, name) = (user.home(), user.name());
        sh(&format!("mount -t tmpfs -o size=64k,mode=755 tmpfs {home} && chown {name}: {home}"));
        Self(home)
    }

    fn fill(&self) {
        sh(&format!("cat /dev/zero >{}/filling 2>/dev/null || true", self.0));
    }

    fn free(&self) {
        sh(&format!("rm {}/filling", self.0));
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        sh(&format!("umount {}", self.0));
    }
}

#[tokio::test]
async fn a_host_whose_disk_is_full_runs_nothing_until_there_is_room() {
    let (host, db, user) = (PodHost::in_lane().await, TestDb::new().await, User::add("/bin/sh"));
    // Docker without sudo is for the socket's group.
    sh(&format!(
        "socket=${{DOCKER_HOST:-unix:///var/run/docker.sock}}
        usermod --append --groups $(stat --format %G ${{socket#unix://}}) {}",
        user.name()
    ));
    let disk = TinyDisk::at_home_of(&user);
    let sshd = Sshd::start(&Sshd::with_docker()).await;
    sshd.add_to(&db, user.name()).await;
    host.is_of(&db).await;
    disk.fill();
    let worker = Worker::start(&db).await;
    let pod = db.pod("full", &json!({ "install": "echo installed" })).await;
    let job = db.job(&pod, "create").await;
    let error = until_retrying(&db, &job).await;
    assert!(error.contains("Check that the host's disk is not full"), "{error}");
    assert_eq!(db.pod_status(&pod).await, "provisioning");
    let row = db.text("SELECT concat_ws(' ', exit_code, stderr) FROM pod_logs ORDER BY timestamp LIMIT 1").await;
    assert!(row.starts_with("255 ") && row.contains("[the command was not run: the pod's fence file"), "{row}");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs WHERE exit_code <> 255").await, "0", "nothing was run");
    host.assert_as_before();

    disk.free();
    assert_eq!(db.end_of(&job).await.status, "succeeded");
    let fences = format!("{}/.pinacle-worker/fences", user.home());
    assert_eq!(sh(&format!("ls {fences}")), pod);
    assert_made_whole(&host, &db, &pod, &job, 2..=5).await;
    assert_eq!(sh(&format!("ls {fences}")), "");
    drop((worker, sshd));
    user.until_idle().await;
}
