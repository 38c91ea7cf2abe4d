//! Pods from templates.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, sh},
    web::Socket,
};

/// What a careless shell would change.
const HOSTILE: &str = "two  spaces, it's \"$HOME\" and `id`\nand a second line";

#[tokio::test]
async fn two_pods_from_templates_live_side_by_side() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let vite = json!({ "template": "vite", "tier": "dev.large", "environment": { "VALUE": HOSTILE } });
    let python = json!({
        "template": "python",
        "environment": { "VALUE": HOSTILE },
        "processes": [{
            "name": "site",
            "startCommand": "exec uv run python -c 'import http.server, os\nopen(\"value\", \"w\").write(os.environ[\"VALUE\"])\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=3000)'",
            "healthCheck": "curl -fsS http://127.0.0.1:3000/value",
        }],
    });
    let pods = [db.pod("one", &vite).await, db.pod("two", &python).await];
    let jobs = [db.job(&pods[0], "create").await, db.job(&pods[1], "create").await];
    for job in &jobs {
        let end = db.end_of(job).await;
        assert_eq!(end.status, "succeeded", "{}", end.last_error);
    }
    let mut ports = Vec::new();
    for pod in &pods {
        ports.push(db.proxy_port(pod).await);
    }

    // Vite's own page, and its WebSocket for hot replacement.
    let (page, code) = fetch(&ports[0], "pod-one.localhost", "/");
    assert!(code == "200" && page.contains("/@vite/client"), "{code} {page}");
    let (client, _) = fetch(&ports[0], "pod-one.localhost", "/@vite/client");
    let token = client.split("wsToken = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("Vite's token");
    let mut socket = Socket::open(&ports[0], "pod-one.localhost", &format!("/?token={token}"), "vite-hmr").await;
    socket.read_until("connected").await;

    assert_eq!(fetch(&ports[1], "pod-two.localhost", "/value"), (HOSTILE.to_owned(), "200".to_owned()));
    for ((pod, port), slug) in pods.iter().zip(&ports).zip(["one", "two"]) {
        assert_eq!(fetch(port, &format!("localhost-8726.pod-{slug}.localhost"), "/healthz").1, "200");
        assert_eq!(fetch(port, &format!("localhost-7681.pod-{slug}.localhost"), "/").1, "200");
        let value = sh(&format!("docker exec pinacle-pod-{pod} bash -ic 'printf %s \"$VALUE\"' 2>/dev/null"));
        assert_eq!(value, HOSTILE, "in a terminal");
    }
    for pod in &pods {
        db.done(pod, "destroy").await;
    }
    host.assert_as_before();
}
