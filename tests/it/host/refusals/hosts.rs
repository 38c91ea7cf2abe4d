//! Hosts that can't be reached, or must not be trusted.

use std::process::Command;

use serde_json::json;

use super::{assert_says, refused, requeue};
use crate::{
    db::refusals::hosts::closed_port,
    support::{PodHost, TestDb, Worker},
};

/// A key that nobody knows: its file, and its public half.
fn fresh_key(folder: &tempfile::TempDir) -> (String, String) {
    let file = folder.path().join("key").display().to_string();
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &file]).status().unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(format!("{file}.pub")).unwrap();
    (file, public.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// A host that comes back in between needs nobody's help.
#[tokio::test]
async fn a_retry_succeeds_once_the_host_is_back() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let right = db.text("SELECT ssh_port FROM servers").await;
    db.execute(&format!("UPDATE servers SET ssh_port = {}", closed_port())).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    let job = db.job(&pod, "create").await;
    db.until("SELECT status = 'retrying' FROM pod_jobs").await;
    db.execute(&format!("UPDATE servers SET ssh_port = {right}")).await;
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    assert!(end.attempt >= 2);
    assert_eq!(db.text("SELECT last_error FROM pods").await, "");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_key_that_the_host_refuses_is_said_at_once() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = fresh_key(&folder);
    let worker = Worker::start_with(&db, &[("SSH_PRIVATE_KEY_FILE", &file)]).await;
    let (pod, error) = refused(&db, "a", &json!({})).await;
    assert_says(&error, &["refused the worker's SSH key for user root", "authorized_keys"]);
    host.assert_as_before();

    worker.stop().await;
    let _worker = Worker::start(&db).await;
    requeue(&db, &pod).await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_host_key_that_is_not_the_pinned_one_is_never_accepted() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let folder = tempfile::tempdir().unwrap();
    let (_, another) = fresh_key(&folder);
    let right = db.text("SELECT ssh_host_key FROM servers").await;
    let _worker = Worker::start(&db).await;
    let mut last = String::new();
    for (slug, pinned, words) in [
        (
            "another",
            Some(another.as_str()),
            &["shows another host key than the pinned one", "the connection may be intercepted"][..],
        ),
        ("broken", Some("ssh-ed25519 AAAA"), &["servers.ssh_host_key is no public key", "servers add"]),
        ("missing", None, &["no host key is pinned", "servers add"]),
    ] {
        sqlx::query("UPDATE servers SET ssh_host_key = $1").bind(pinned).execute(&db.pool).await.unwrap();
        let (pod, error) = refused(&db, slug, &json!({})).await;
        assert_says(&error, words);
        last = pod;
    }
    assert_eq!(db.text("SELECT count(*) FROM pod_logs WHERE exit_code = 0").await, "0", "nothing was run");
    host.assert_as_before();

    sqlx::query("UPDATE servers SET ssh_host_key = $1").bind(right).execute(&db.pool).await.unwrap();
    requeue(&db, &last).await;
    db.done(&last, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_docker_that_does_not_answer_is_named() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_local_to(&db).await;
    let worker = Worker::start_with(&db, &[("DOCKER_HOST", "unix:///nonexistent/docker.sock")]).await;
    let pod = db.pod("a", &json!({})).await;
    db.execute(&format!("INSERT INTO pod_jobs (id, pod_id, kind, max_attempts) VALUES ('job', '{pod}', 'create', 1)"))
        .await;
    let end = db.end_of("job").await;
    assert_eq!(end.status, "failed");
    assert_says(&end.last_error, &["Docker on server local does not respond", "Start it", "pinacle-worker check"]);
    assert_eq!(
        db.text(
            "SELECT (status, last_error = '?') FROM pods".replace('?', &end.last_error.replace('\'', "''")).as_str()
        )
        .await,
        "(failed,t)"
    );
    // What Docker holds of it nobody can know by now, so its port stays its own.
    assert_ne!(db.text("SELECT proxy_port FROM pods").await, "");

    worker.stop().await;
    let _worker = Worker::start(&db).await;
    requeue(&db, &pod).await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
