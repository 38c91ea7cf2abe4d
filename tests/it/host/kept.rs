//! A pod whose user's part fails is kept as it is: it can be looked at, and goes on where it failed.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker, eventually,
    host::{fetch, inspect, sh},
    web::Socket,
};

async fn facts(db: &TestDb, pod: &str) -> String {
    db.text(&format!(
        "SELECT (status, up, proxy_port IS NOT NULL, container_id IS NOT NULL) FROM pods WHERE id = '{pod}'"
    ))
    .await
}

/// The job's steps that had something to do.
async fn acted(db: &TestDb, job: &str) -> String {
    let steps = "SELECT string_agg(name || ' ' || status, ', ' ORDER BY position) FROM pod_job_steps";
    db.text(&format!("{steps} WHERE job_id = '{job}' AND status <> 'skipped'")).await
}

async fn requeued(db: &TestDb, pod: &str) -> String {
    db.text(&format!("SELECT requeue_pod('{pod}')")).await
}

#[tokio::test]
async fn a_create_that_fails_in_its_users_part_is_mended_in_its_terminal_and_goes_on_where_it_failed() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let config = json!({
        "services": ["web-terminal"],
        "install": ["echo once >>trace", "test -e mended"],
        "hooks": { "postStart": ["test -e checked"] },
    });
    let pod = db.pod("kept", &config).await;
    let error = db.refused(&pod, "create").await;
    assert!(error.contains("the install command `test -e mended` exited with code 1"), "{error}");
    assert!(error.contains("What was made is kept"), "{error}");
    assert_eq!(facts(&db, &pod).await, "(failed,t,t,t)");
    assert_eq!(inspect(&pod)["State"]["Running"], true);

    let port = db.proxy_port(&pod).await;
    let mut terminal = eventually("the terminal of a failed pod", async || {
        Socket::try_open(&port, "localhost-7681.pod-kept.localhost", "/ws", "tty", None).await.ok()
    })
    .await;
    terminal.send(r#"{"AuthToken":"","columns":80,"rows":24}"#).await;
    terminal.send("0cat trace && touch mended && echo $((6 * 7))\r").await;
    terminal.read_until("once").await;
    terminal.read_until("42").await;

    let again = requeued(&db, &pod).await;
    let error = db.end_of(&again).await.last_error;
    assert!(error.contains("the postStart hook `test -e checked` exited with code 1"), "{error}");
    assert_eq!(acted(&db, &again).await, "proxy succeeded, install succeeded, health succeeded, postStart failed");
    assert_eq!(facts(&db, &pod).await, "(failed,t,t,t)");
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} sh -c 'touch checked; cat trace'")), "once");
    let again = requeued(&db, &pod).await;
    assert_eq!(db.end_of(&again).await.status, "succeeded");
    assert_eq!(acted(&db, &again).await, "proxy succeeded, health succeeded, postStart succeeded");
    assert_eq!(facts(&db, &pod).await, "(running,t,t,t)");
    assert_eq!(db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await, "");
    db.done(&pod, "destroy").await;
    assert_eq!(facts(&db, &pod).await, "(terminated,f,f,f)");
    host.assert_as_before();
}

#[tokio::test]
async fn a_failed_pod_is_stopped_and_started_and_the_database_says_whether_it_is_up() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    // Nothing listens there.
    let pod = db.pod("unclonable", &json!({ "repository": { "url": "http://127.0.0.1:9/repo.git" } })).await;
    for (kind, then) in [("create", "(failed,t,t,t)"), ("stop", "(stopped,f,t,t)"), ("start", "(failed,t,t,t)")] {
        let end = db.end_of(&db.job(&pod, kind).await).await;
        assert_eq!(end.status, if kind == "stop" { "succeeded" } else { "failed" }, "{kind}: {}", end.last_error);
        assert!(kind == "stop" || end.last_error.contains("cloning the repository"), "{}", end.last_error);
        assert_eq!(facts(&db, &pod).await, then, "after {kind}");
    }
    sh(&format!("docker kill pinacle-pod-{pod}"));
    db.until(&format!("SELECT NOT up FROM pods WHERE id = '{pod}'")).await;
    db.execute(&format!("UPDATE pods SET config = '{{}}' WHERE id = '{pod}'")).await;
    let again = db.end_of(&requeued(&db, &pod).await).await;
    assert_eq!((again.status.as_str(), again.last_error.as_str()), ("succeeded", ""));
    assert_eq!(facts(&db, &pod).await, "(running,t,t,t)");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_create_that_runs_out_of_time_in_its_users_part_can_be_looked_at() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start_with(&db, &[("JOB_TIMEOUT", "40")]).await;
    let pod = db.pod("late", &json!({ "services": ["web-terminal"], "install": "sleep 1000000" })).await;
    let error = db.refused(&pod, "create").await;
    for part in ["did not finish within the time a job may take", "What was made is kept"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert_eq!(facts(&db, &pod).await, "(failed,t,t,t)");
    let port = db.proxy_port(&pod).await;
    eventually("the terminal", async || {
        (fetch(&port, "localhost-7681.pod-late.localhost", "/").1 == "200").then_some(())
    })
    .await;
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} sh -c 'pgrep -x sleep || true'")), "");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_process_that_has_ended_when_the_job_ends_is_said_with_what_it_printed() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    // The job waits for what the last of them waits for: that the others have ended.
    let ended = "for name in gone once; do until tmux -N show-options -qv -t =process-$name: @exited | grep -q .; do sleep 0.1; done; done";
    let pod = db
        .pod(
            "ended",
            &json!({ "processes": [
                { "name": "gone", "startCommand": "source .venv/bin/activate && exec python app.py" },
                { "name": "once", "startCommand": "true" },
                { "name": "stays", "startCommand": "exec sleep 1000000", "healthCheck": ended },
            ] }),
        )
        .await;
    let end = db.end_of(&db.job(&pod, "create").await).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    let told = db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}' AND status = 'running'")).await;
    assert_eq!(told, end.last_error);
    let shown = "SELECT string_agg(stdout, '' ORDER BY timestamp) FROM pod_logs WHERE container_command = 'pinacle: what to know'";
    let shown = db.text(shown).await;
    for said in [&told, &shown] {
        assert!(said.contains("process gone has ended with exit code 1"), "{said}");
        assert!(said.contains(".venv/bin/activate: No such file or directory"), "{said}");
        assert!(said.contains("process once has ended with exit code 0") && !said.contains("stays"), "{said}");
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
