//! Services inside a pod: installed once, supervised, judged by their health, and gone when no longer wanted.

use std::{fs, path::Path, time::Duration};

use fantoccini::Locator;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    PodHost, TestDb, Worker, eventually,
    host::{fetch, inside, inventory, sh},
    turn,
    web::{Browser, Socket},
};

/// A folder for `SERVICES_DIR` with one template, and a worker that knows it.
async fn worker_with(db: &TestDb, name: &str, template: &str) -> (Worker, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{name}.toml")), template).unwrap();
    let worker = Worker::start_with(db, &[("SERVICES_DIR", folder.path().to_str().unwrap())]).await;
    (worker, folder)
}

#[tokio::test]
async fn the_editor_opens_in_a_browser_and_the_terminal_answers() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let config = json!({
        "template": "custom",
        "tier": "dev.large",
        "environment": { "GREETING": "six by nine" },
        "install": "echo 'What is it?' >question.txt",
        "processes": [{ "name": "answer", "startCommand": "echo it is $((6 * 7)); exec sleep 1000000" }],
    });
    let pod = db.pod("editor", &config).await;
    db.done(&pod, "create").await;
    let port = db.proxy_port(&pod).await;

    let editor = format!("localhost-8726.pod-editor.localhost:{port}");
    let (page, code) = fetch(&port, &editor, "/?folder=/workspace");
    assert!(code == "200" && page.contains("code-server"), "{code} {page}");

    // The files and the folder come over the editor's WebSocket, and so the Origin was let pass.
    let browser = Browser::start().await;
    browser.client.goto(&format!("http://{editor}/?folder=/workspace")).await.unwrap();
    let file = Locator::Css(".explorer-folders-view [aria-label^='question.txt']");
    let text = Locator::XPath("//*[contains(@class, 'view-line') and contains(., 'What') and contains(., 'it?')]");
    let soon = Duration::from_secs(5);
    eventually("the file in the editor (see the screenshot)", async || {
        let shown = async {
            // The page draws itself anew as it loads, and a click may go to what is no longer there.
            browser.client.wait().at_most(soon).for_element(file).await?.click().await?;
            browser.client.wait().at_most(soon).for_element(text).await
        };
        let shown = shown.await.ok();
        browser.screenshot("code-server").await;
        shown
    })
    .await;
    browser.close().await;

    // A terminal of one's own, and the one that the process writes to.
    let terminal = "localhost-7681.pod-editor.localhost";
    let mut socket = Socket::open(&port, terminal, "/ws", "tty").await;
    socket.send(r#"{"AuthToken":"","columns":80,"rows":24}"#).await;
    socket.read_until("/workspace").await;
    socket.send("0echo \"$GREETING is $((6 * 9)), in $PWD\"\r").await;
    socket.read_until("six by nine is 54, in /workspace").await;
    let mut socket = Socket::open(&port, terminal, "/ws?arg=process-answer", "tty").await;
    socket.send(r#"{"AuthToken":"","columns":80,"rows":24}"#).await;
    socket.read_until("it is 42").await;

    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// A service that counts its starts, and says so on its page.
const COUNTER: &str = r#"
name = "counter"
description = "Counts how often it was started"
default_port = 9000
install = "echo installed >>/root/installs"
start = '''
echo started >>/root/starts
mkdir -p /root/site && wc -l </root/starts >/root/site/index.html
exec busybox httpd -f -p 9000 -h /root/site
'''
cleanup = "echo cleaned >>/root/cleanups"
health = { command = "curl -fsS http://127.0.0.1:9000/", timeout_seconds = 60 }
"#;

#[tokio::test]
async fn a_service_that_dies_is_started_again_and_all_come_back_with_the_container() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let (worker, folder) = worker_with(&db, "counter", COUNTER).await;
    let config = json!({
        "services": ["counter"],
        "processes": [{ "name": "tick", "startCommand": "echo tick >>/root/ticks; exec sleep 1000000" }],
    });
    let pod = db.pod("supervised", &config).await;
    db.done(&pod, "create").await;
    db.done(&pod, "create").await;
    let port = db.proxy_port(&pod).await;
    // Between two starts nobody answers.
    let page = || {
        sh(&format!(
            "curl -s -m 20 -H 'Host: localhost-9000.pod-supervised.localhost' http://{}:{port}/ || true",
            turn::address()
        ))
    };
    assert_eq!(page(), "1");

    // It dies.
    inside(&pod, "pkill -KILL -f 'httpd -f -p 9000'");
    eventually("the service's second start", async || (page() == "2").then_some(())).await;

    // The container stops and starts, with nobody to see to it.
    worker.kill();
    sh(&format!("docker restart pinacle-pod-{pod}"));
    eventually("the service's third start", async || (page() == "3").then_some(())).await;
    eventually("the process's second start", async || {
        (inside(&pod, "wc -l </root/ticks; tmux -N ls -F '#S' 2>&1 || true") == "2\nprocess-tick").then_some(())
    })
    .await;

    // A worker stops and starts the pod: files, port, service and process are as they were.
    let services_dir = folder.path().to_str().unwrap();
    let _worker = Worker::start_with(&db, &[("SERVICES_DIR", services_dir)]).await;
    inside(&pod, "echo kept | tee /root/kept /etc/kept /var/kept /tmp/kept /workspace/kept");
    db.done(&pod, "stop").await;
    db.done(&pod, "start").await;
    assert_eq!(db.proxy_port(&pod).await, port);
    assert_eq!(page(), "4");
    assert_eq!(inside(&pod, "sort -u /root/kept /etc/kept /var/kept /tmp/kept /workspace/kept"), "kept");
    assert_eq!(inside(&pod, "cat /root/installs /root/cleanups; wc -l </root/ticks"), "installed\ncleaned\n3");

    // It is no longer wanted.
    db.execute(&format!("UPDATE pods SET config = '{{}}' WHERE id = '{pod}'")).await;
    db.done(&pod, "restart").await;
    assert_eq!(fetch(&port, "localhost-9000.pod-supervised.localhost", "/").1, "502");
    assert_eq!(
        inside(&pod, "ls /etc/s6 /etc/pinacle/services /etc/pinacle/processes"),
        "/etc/pinacle/processes:\n\n/etc/pinacle/services:\n\n/etc/s6:\nnginx\ntmux"
    );
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_service_that_never_becomes_healthy_fails_the_job_with_its_last_words() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let template = r#"
        name = "broken"
        description = "Never answers"
        default_port = 9000
        start = "echo looking for the license; echo no license >&2; exec sleep 1000000"
        health = { command = "echo not yet; false", timeout_seconds = 10 }
    "#;
    let (_worker, _folder) = worker_with(&db, "broken", template).await;
    let pod = db.pod("broken", &json!({ "services": ["broken"] })).await;
    let error = db.refused(&pod, "create").await;
    for part in ["the service broken did not become healthy", "not yet", "looking for the license\nno license"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert_eq!(db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await, error);
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// Where hostile text that ran on the host would leave a trace.
const CANARY: &str = "/tmp/pinacle-canary";

#[tokio::test]
async fn a_templates_texts_arrive_as_written_and_run_in_the_pod_alone() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    drop(fs::remove_file(CANARY));
    // Each text leaves its own trace in the pod, and would leave the canary on a host that took it apart.
    let hostile = |trace: &str| {
        format!(
            "echo 'it'\\''s  \"{trace}\" $((1+1))' >>/root/traces; touch {CANARY} \"$(touch {CANARY})\" `touch {CANARY}`\n\
             true ' && touch {CANARY} #'\n"
        )
    };
    let template = toml::Table::from_iter([
        ("name".to_owned(), "hostile".into()),
        ("description".to_owned(), "Quotes".into()),
        ("default_port".to_owned(), 9000.into()),
        ("install".to_owned(), hostile("install").into()),
        ("start".to_owned(), (hostile("start") + "printf '%s' \"$VALUE\" >/root/value\nexec sleep 1000000").into()),
        ("cleanup".to_owned(), hostile("cleanup").into()),
        (
            "health".to_owned(),
            toml::Table::from_iter([
                ("command".to_owned(), (hostile("health") + "test -s /root/value").into()),
                ("timeout_seconds".to_owned(), 30.into()),
            ])
            .into(),
        ),
        (
            "hooks".to_owned(),
            toml::Table::from_iter([
                ("pre_start".to_owned(), hostile("pre_start").into()),
                ("post_start".to_owned(), hostile("post_start").into()),
            ])
            .into(),
        ),
        (
            "environment".to_owned(),
            toml::Table::from_iter([("VALUE".to_owned(), "two  'spaces' \"$HOME\" `id`\n".into())]).into(),
        ),
    ]);
    let (_worker, _folder) = worker_with(&db, "hostile", &template.to_string()).await;
    let pod = db.pod("hostile", &json!({ "services": ["hostile"] })).await;
    db.done(&pod, "create").await;
    db.done(&pod, "stop").await;
    db.done(&pod, "start").await;
    assert!(!Path::new(CANARY).exists(), "a template's text ran on the host");
    assert_eq!(inside(&pod, &format!("ls {CANARY}")), CANARY);
    assert_eq!(inside(&pod, "cat /root/value; echo ."), "two  'spaces' \"$HOME\" `id`\n.");
    let traces = inside(&pod, "sort -u /root/traces");
    let expected = ["cleanup", "health", "install", "post_start", "pre_start", "start"];
    assert_eq!(traces, expected.map(|trace| format!("it's  \"{trace}\" $((1+1))")).join("\n"));
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_service_whose_program_cannot_be_fetched_says_so() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    // The built-in template, with less patience: its package fetches the program from where this test need not reach.
    let built_in = include_str!("../../../src/podspec/services/vibe-kanban.toml");
    let template = built_in
        .replace("timeout_seconds = 120", "timeout_seconds = 20")
        .replace("exec vibe-kanban", "export HTTPS_PROXY=http://127.0.0.1:9; exec vibe-kanban");
    assert_ne!(template, built_in);
    let (_worker, _folder) = worker_with(&db, "vibe-kanban", &template).await;
    let pod = db.pod("kanban", &json!({ "services": ["vibe-kanban"], "tier": "dev.large" })).await;
    let error = db.refused(&pod, "create").await;
    assert!(error.contains("the service vibe-kanban did not become healthy"), "{error}");
    assert!(error.contains("The last that it printed: "), "{error}");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_destroy_ends_the_install_of_a_service() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let template = COUNTER.replace("echo installed >>/root/installs", "sleep 1000000 & wait");
    let (_worker, _folder) = worker_with(&db, "counter", &template).await;
    let pod = db.pod("cut-short", &json!({ "services": ["counter"] })).await;
    let create = db.job(&pod, "create").await;
    db.until("SELECT count(*) = 1 FROM pod_logs WHERE container_command LIKE 'sleep 1000000%'").await;
    db.done(&pod, "destroy").await;
    assert_eq!(db.end_of(&create).await.status, "cancelled");
    assert_eq!(inventory().into_iter().filter(|line| line.contains(&pod)).count(), 0);
    host.assert_as_before();
}
