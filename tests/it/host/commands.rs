//! What a user has run in a pod: environment, install, hooks, processes.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker, eventually, host::sh};

/// Values that a careless shell would change.
const HOSTILE: [&str; 6] =
    ["two  spaces", "it's", r#"say "no""#, "$HOME", "`touch /tmp/canary`", "first line\nsecond\tline \\"];
/// Where hostile text that ran on the host would leave a trace.
const CANARY: &str = "/tmp/pinacle-canary";

#[tokio::test]
async fn an_environment_arrives_byte_for_byte_and_stands_in_no_command() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let environment: serde_json::Map<_, _> =
        HOSTILE.iter().enumerate().map(|(index, value)| (format!("VALUE_{index}"), json!(value))).collect();
    let mut config = json!({ "environment": environment });
    config["environment"]["API_TOKEN"] = json!("tok-0123456789");
    config["install"] = json!([
        "for i in 0 1 2 3 4 5; do eval \"printf '%s\\0' \\\"\\$VALUE_$i\\\"\"; done > /workspace/values",
        "echo token $API_TOKEN, secret $FROM_SECRETS",
    ]);
    let pod = db.pod("environment", &config).await;
    db.execute(&format!("INSERT INTO pod_secrets VALUES ('{pod}', 'env', 'FROM_SECRETS', 'hush-hush')")).await;
    db.done(&pod, "create").await;

    let arrived = sh(&format!("docker exec pinacle-pod-{pod} cat /workspace/values | base64 -w0"));
    let expected = HOSTILE.map(|value| format!("{value}\0")).concat();
    let expected =
        sh(&format!("printf %s '{}' | tr '@' '\\0' | base64 -w0", expected.replace('\'', "'\\''").replace('\0', "@")));
    assert_eq!(arrived, expected);
    assert_eq!(
        db.text("SELECT trim(E'\n' FROM stdout) FROM pod_logs WHERE stdout LIKE 'token%'").await,
        "token [redacted], secret [redacted]"
    );
    for secret in ["tok-0123456789", "hush-hush", "two  spaces"] {
        let found =
            format!("SELECT count(*) FROM pod_logs WHERE concat(command, container_command, stderr) LIKE '%{secret}%'");
        assert_eq!(db.text(&found).await, "0", "{secret}");
    }
    db.done(&pod, "destroy").await;
    assert_eq!(db.text("SELECT count(*) FROM pod_secrets").await, "0");
    host.assert_as_before();
}

#[tokio::test]
async fn install_runs_once_and_hooks_at_each_start() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let note = |what: &str| format!("echo {what} >> /workspace/notes");
    let config = json!({
        "install": [note("install-1"), note("install-2")],
        "hooks": { "preStart": [note("pre")], "postStart": [note("post")] },
        "processes": [{ "name": "job", "startCommand": "echo process >> /workspace/notes; exec sleep 1000000" }],
    });
    let pod = db.pod("once", &config).await;
    db.done(&pod, "create").await;
    db.done(&pod, "create").await;
    db.done(&pod, "restart").await;
    let notes = sh(&format!("docker exec pinacle-pod-{pod} grep -v process /workspace/notes"));
    let notes: Vec<_> = notes.lines().collect();
    assert_eq!(notes, ["install-1", "install-2", "pre", "post", "pre", "post", "pre", "post"]);
    // Nothing waits for a process without a health check.
    let started = format!("docker exec pinacle-pod-{pod} grep -c process /workspace/notes");
    eventually("the process's second start", async || (sh(&started) == "2").then_some(())).await;
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} tmux ls -F '#S'")), "process-job");

    // What a user sees: their commands as they wrote them, each finished before the next begins.
    let seen = db
        .texts(&format!(
            "SELECT container_command FROM pod_logs WHERE pod_id = '{pod}' AND container_command IS NOT NULL
             ORDER BY timestamp LIMIT 5"
        ))
        .await;
    let process = "echo process >> /workspace/notes; exec sleep 1000000".to_owned();
    assert_eq!(seen, [note("install-1"), note("install-2"), note("pre"), process, note("post")]);
    let overlapping = "SELECT count(*) FROM (SELECT timestamp + duration * interval '1 ms' > lead(timestamp) OVER (ORDER BY timestamp) AS o
        FROM pod_logs WHERE container_command IS NOT NULL) t WHERE o";
    assert_eq!(db.text(overlapping).await, "0");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_failing_command_is_shown_with_its_exit_code_and_named_in_the_error() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("failing", &json!({ "install": "echo trying; echo 'no such package' >&2; exit 3" })).await;
    let error = db.refused(&pod, "create").await;
    for part in ["install command", "exit 3`", "exited with code 3", "no such package"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert_eq!(db.pod_status(&pod).await, "failed");
    assert_eq!(db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await, error);
    let row = "SELECT concat_ws('|', exit_code, trim(stdout, E'\\n'), trim(stderr, E'\\n')) FROM pod_logs WHERE exit_code <> 0 AND container_command IS NOT NULL";
    assert_eq!(db.text(row).await, "3|trying|no such package");

    // Mended by the user and run again by the admin.
    db.execute(&format!("UPDATE pods SET config = '{{}}' WHERE id = '{pod}'")).await;
    let requeued = db.text(&format!("SELECT requeue_pod('{pod}', 'admin')")).await;
    assert_eq!(db.end_of(&requeued).await.status, "succeeded");
    assert_eq!(db.text(&format!("SELECT concat(status, last_error) FROM pods WHERE id = '{pod}'")).await, "running");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn hostile_text_runs_in_the_pod_and_nowhere_else() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    drop(std::fs::remove_file(CANARY));
    let texts = [
        format!("node -e 'x' || true; touch {CANARY}"),
        format!("true '; touch {CANARY}; '"),
        format!("true \"$(touch {CANARY})\" `touch {CANARY}`"),
        format!("true\ntouch {CANARY} # '"),
        format!("'true' && touch {CANARY} || 'false'"),
    ];
    let config = json!({
        "install": texts,
        "hooks": { "preStart": texts, "postStart": texts },
        "processes": [{ "name": "evil", "startCommand": texts[1], "healthCheck": texts[4] }],
        "environment": { "EVIL": format!("'; touch {CANARY}; '") },
    });
    let pod = db.pod("hostile", &config).await;
    db.done(&pod, "create").await;
    assert!(!std::path::Path::new(CANARY).exists(), "a user's text ran on the host");
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} ls {CANARY}")), CANARY);
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
