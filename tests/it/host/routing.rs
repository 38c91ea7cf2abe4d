//! The way into a pod: by hostname through its one port.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, sh},
    turn,
    web::Socket,
};

const SERVER: &str = include_str!("../fixtures/server.mjs");
const UPLOAD_BYTES: u64 = 100 * 1024 * 1024;

/// A pod that runs the fixture's server.
async fn pod_with_server(db: &TestDb, slug: &str) -> (String, String) {
    let config = json!({
        "tier": "dev.large",
        "install": format!("cat >server.mjs <<'END'\n{SERVER}\nEND"),
        "processes": [{
            "name": "server",
            "startCommand": "exec node server.mjs",
            "healthCheck": "curl -fsS http://127.0.0.1:3000/ && curl -fsS http://localhost:3001/ && curl -fsS http://127.0.0.1:3002/",
        }],
    });
    let pod = db.pod(slug, &config).await;
    db.done(&pod, "create").await;
    let port = db.proxy_port(&pod).await;
    (pod, port)
}

fn arrived(port: &str, host: &str) -> Value {
    let (page, code) = fetch(port, host, "/a%20b?c=d");
    assert_eq!(code, "200", "{host}: {page}");
    serde_json::from_str(&page).unwrap()
}

#[tokio::test]
async fn a_hostname_leads_to_its_port_and_everything_passes_as_it_comes() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let (pod, port) = pod_with_server(&db, "routed").await;
    let address = turn::address();

    // Both forms of the name, and the port that needs none.
    for (name, number) in [
        ("localhost-3002.pod-routed.localhost", 3002),
        ("localhost-3002-pod-routed.example.com", 3002),
        ("LOCALHOST-3000.POD-ROUTED.LOCALHOST", 3000),
        ("pod-routed.localhost", 3000),
        ("127.0.0.1", 3000),
        // A server that listens on `localhost`, whatever that is.
        ("localhost-3001.pod-routed.localhost", 3001),
    ] {
        let came = arrived(&port, &format!("{name}:{port}"));
        assert_eq!((&came["port"], &came["url"]), (&json!(number), &json!("/a%20b?c=d")), "{name}");
        assert_eq!(came["headers"]["host"], format!("localhost:{number}"), "{name}");
    }
    for name in ["localhost-0", "localhost-65536", "localhost-080", "localhost-x", "localhost-"] {
        let (page, code) = fetch(&port, &format!("{name}.pod-routed.localhost"), "/");
        assert!(code == "400" && page.contains("A port is a number from 1 to 65535"), "{name}: {code} {page}");
    }
    let (page, code) = fetch(&port, "localhost-4444.pod-routed.localhost", "/x");
    assert!(code == "502" && page.contains("Nothing answers on port 4444"), "{code} {page}");
    let own = fetch(&port, "pod-routed.localhost", "/broken");
    assert_eq!(own, ("the application's own 502\n".to_owned(), "502".to_owned()));
    let away = format!(
        "curl -sS -m 20 -o /dev/null -w '%{{redirect_url}}' -H 'Host: pod-routed.localhost:{port}' http://{address}:{port}/away"
    );
    assert_eq!(sh(&away), format!("http://{address}:{port}/there"), "a browser stays on the address it came by");

    let mut socket = Socket::open(&port, "localhost-3000.pod-routed.localhost", "/socket", "").await;
    for text in ["one", "two"] {
        socket.send(text).await;
        socket.read_until(text).await;
    }

    // The first event is there at once, and nothing comes after it.
    let mut events = Command::new("curl")
        .args(["-sSN", "-m", "60", "-H", "Host: pod-routed.localhost", &format!("http://{address}:{port}/events")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(events.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let sent = first.strip_prefix("data: ").unwrap().trim_end().parse().unwrap();
    let waited = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_millis(sent)).unwrap_or_default();
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert!(events.try_wait().unwrap().is_none(), "the stream stays open");
    events.kill().unwrap();
    events.wait().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upload");
    sh(&format!("head -c {UPLOAD_BYTES} /dev/urandom >{}", file.display()));
    let hash = sh(&format!("sha256sum <{} | cut -d ' ' -f 1", file.display()));
    let upload = format!(
        "curl -sS -m 170 --data-binary @{} -H 'Host: pod-routed.localhost' http://{address}:{port}/",
        file.display()
    );
    assert_eq!(sh(&upload), format!("{UPLOAD_BYTES} {hash}"));
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
