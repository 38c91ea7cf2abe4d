//! Pages that a user visits, and that have a look at what else the browser reaches.

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, http::StatusCode};

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, sh},
    turn,
    web::Socket,
};

const TERMINAL: &str = "localhost-7681.pod-visited.localhost";
const APP: &str = "localhost-8000.pod-visited.localhost";

/// The status of a handshake that is refused, or 101.
async fn handshake(port: &str, host: &str, origin: &str) -> u16 {
    match Socket::try_open(port, host, "/ws", "tty", Some(origin)).await {
        Ok(_) => 101,
        Err(Error::Http(answer)) => StatusCode::as_u16(&answer.status()),
        Err(other) => panic!("{host} from {origin}: {other}"),
    }
}

/// The page and the status of a request with an Origin.
fn fetch_from(port: &str, host: &str, origin: &str) -> (String, String) {
    let address = turn::address();
    let answer = sh(&format!(
        "curl -sS -m 20 -w '\\n%{{http_code}}' -H 'Host: {host}' -H 'Origin: {origin}' http://{address}:{port}/"
    ));
    let (page, code) = answer.rsplit_once('\n').unwrap();
    (page.to_owned(), code.to_owned())
}

#[tokio::test]
async fn a_foreign_page_reaches_no_tool_and_another_pods_name_reaches_nothing() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let config = json!({
        "services": ["web-terminal"],
        "processes": [{
            "name": "app",
            "startCommand": "mkdir -p /srv/app && echo the app >/srv/app/index.html && exec busybox httpd -f -p 8000 -h /srv/app",
            "healthCheck": "curl -fsS http://127.0.0.1:8000/",
        }],
    });
    let pod = db.pod("visited", &config).await;
    db.done(&pod, "create").await;
    let port = db.proxy_port(&pod).await;

    for origin in [
        "https://evil.example",
        "null",
        "http://localhost",
        "http://localhost:7681",
        "http://pod-other.localhost:30001",
        "http://localhost-3000.pod-other.localhost:30001",
        "http://pod-visited.localhost.evil.example",
        "http://evil.example/pod-visited.localhost",
        "http://pod-visited.evil.example",
        "http://evil-pod-visited.localhost",
        "http://localhost-x.evil.pod-visited.localhost",
        "file://",
    ] {
        assert_eq!(handshake(&port, TERMINAL, origin).await, 403, "{origin}");
        let (page, code) = fetch_from(&port, TERMINAL, origin);
        assert!(code == "403" && page.contains("Only the pod's own pages may"), "{origin}: {code} {page}");
        assert_eq!(fetch_from(&port, APP, origin).1, "200", "the user's own app judges for itself of {origin}");
    }
    for origin in [
        format!("http://{TERMINAL}:{port}"),
        format!("https://{TERMINAL}"),
        format!("http://pod-visited.localhost:{port}"),
        "https://localhost-7681-pod-visited.localhost".to_owned(),
        format!("HTTP://LOCALHOST-7681.POD-VISITED.LOCALHOST:{port}").to_lowercase(),
    ] {
        assert_eq!(handshake(&port, TERMINAL, &origin).await, 101, "{origin}");
        assert_eq!(fetch_from(&port, "localhost-7681-pod-visited.localhost", &origin).1, "200", "{origin}");
    }

    // What a page elsewhere loads without an Origin, and a link that it may have: the one is refused, and the other opens a
    // terminal whose name runs nothing.
    let address = turn::address();
    let loaded = |site: &str, mode: &str| {
        let from = format!("-H 'Sec-Fetch-Site: {site}' -H 'Sec-Fetch-Mode: {mode}'");
        sh(&format!(
            "curl -sS -m 20 -o /dev/null -w '%{{http_code}}' -H 'Host: {TERMINAL}' {from} http://{address}:{port}/"
        ))
    };
    for site in ["cross-site", "same-site"] {
        assert_eq!((loaded(site, "no-cors"), loaded(site, "navigate")), ("403".to_owned(), "200".to_owned()), "{site}");
    }
    assert_eq!((loaded("same-origin", "cors"), loaded("none", "navigate")), ("200".to_owned(), "200".to_owned()));
    let mut terminal = Socket::open(&port, TERMINAL, "/ws?arg=x%23(touch%20/tmp/attacked)", "tty").await;
    terminal.send(r#"{"AuthToken":"","columns":80,"rows":24}"#).await;
    terminal.read_until("main").await;
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} sh -c 'ls /tmp/attacked 2>/dev/null || true'")), "");

    // A page at a name that its owner has pointed here has an Origin that fits its Host.
    for name in ["localhost-7681.pod-visited.evil.example", "localhost-7681-pod-visited.localhost.evil.example"] {
        let (page, code) = fetch(&port, name, "/");
        assert!(code == "421" && page.contains("is no name of this pod"), "{name}: {code} {page}");
        assert_eq!(handshake(&port, name, &format!("http://{name}")).await, 421, "{name}");
    }
    for name in [
        "pod-other.localhost",
        "localhost-8000.pod-other.localhost",
        "localhost-8000-pod-visited2.localhost",
        "pod-visit.localhost",
    ] {
        let (page, code) = fetch(&port, name, "/");
        assert!(code == "421" && page.contains("This one is pod-visited"), "{name}: {code} {page}");
    }

    // What the pod has no more is nobody's tool.
    db.execute("UPDATE pods SET config = config || '{\"services\": []}'").await;
    db.done(&pod, "start").await;
    assert_eq!(fetch_from(&port, TERMINAL, "https://evil.example").1, "502");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
