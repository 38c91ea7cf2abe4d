//! The pod's own tools: its own pages use them by each of its names, and no foreign one does. Which pages are foreign is in
//! `containment/pages.rs`; here the tools' own judgement of an Origin is in the way of none of the pod's own.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, http::StatusCode};

use super::{App, DOMAINS, Way, between};
use crate::support::web::{Browser, Socket};

const FOREIGN: &str = "https://evil.example";
const JUPYTER: u16 = 8888;

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn editor_terminal_and_notebook_work_from_the_pods_own_pages_alone() {
    let services = json!({ "services": ["code-server", "web-terminal", "jupyter"] });
    let app = App::with("tools", "tools", JUPYTER, services).await;
    let browser = Browser::start().await;
    for domain in DOMAINS {
        for way in app.at(domain).await {
            runs_a_cell(&app, &way).await;
        }
        for (port, path, protocol) in [(8726, "/", ""), (7681, "/ws", "tty")] {
            let ways = app.ways(domain, port);
            for way in &ways {
                assert_eq!(handshake(&app, way, path, protocol, &way.origin).await, 101, "{}", way.origin);
                assert_eq!(handshake(&app, way, path, protocol, FOREIGN).await, 403, "{}", way.origin);
            }
            let socket = format!("ws://{}{path}", ways[0].host);
            let foreign = format!("http://evil.example.com:{}", app.proxy_port);
            for (origin, becomes) in [(&ways[0].origin, "open"), (&foreign, "error")] {
                assert_eq!(
                    tries(&browser, origin, &socket, protocol).await,
                    format!("{becomes} of {origin}"),
                    "{socket}"
                );
            }
        }
    }
    browser.close().await;
    app.end().await;
}

/// What becomes of a socket that a page at an origin opens in a browser. Which page, if any is there, is no matter.
async fn tries(browser: &Browser, origin: &str, socket: &str, protocol: &str) -> String {
    browser.client.goto(&format!("{origin}/healthz")).await.unwrap();
    let script = "const [url, protocol, done] = arguments
        const socket = protocol ? new WebSocket(url, protocol) : new WebSocket(url)
        socket.onopen = socket.onerror = ({ type }) => done(`${type} of ${location.origin}`)";
    let became = browser.client.execute_async(script, vec![socket.into(), protocol.into()]).await.unwrap();
    became.as_str().unwrap_or_default().to_owned()
}

/// As its own page does: a kernel by the API, which wants the token of its page, and what it computes by its socket.
async fn runs_a_cell(app: &App, way: &Way) {
    way.curl("-o /dev/null", "/lab");
    let token = way.cookie("_xsrf");
    let start = |origin: &str| way.submit(origin, &format!("-X POST -H 'X-XSRFToken: {token}'"), "/api/kernels");
    let refused = start(FOREIGN);
    assert!(refused.contains(" 403 "), "{refused}");
    let started = start(&way.origin);
    assert!(started.contains(" 201 "), "{}: {started}", way.origin);

    let path = format!("/api/kernels/{}/channels", between(&started, "\"id\": \"", "\""));
    assert_eq!(handshake(app, way, &path, "", FOREIGN).await, 403);
    let socket = Socket::try_open(&app.proxy_port, &way.host, &path, "", Some(&way.origin)).await;
    let mut socket = socket.unwrap_or_else(|error| panic!("{}: {error}", way.origin));
    socket.say(&cell("print(6 * 7)").to_string()).await;
    socket.read_until("42\\n").await;
}

fn cell(code: &str) -> Value {
    json!({
        "channel": "shell",
        "header": { "msg_id": "1", "msg_type": "execute_request", "session": "1", "username": "", "version": "5.4" },
        "parent_header": {},
        "metadata": {},
        "content": { "code": code, "silent": false },
    })
}

async fn handshake(app: &App, way: &Way, path: &str, protocol: &str, origin: &str) -> u16 {
    match Socket::try_open(&app.proxy_port, &way.host, path, protocol, Some(origin)).await {
        Ok(_) => 101,
        Err(Error::Http(answer)) => StatusCode::as_u16(&answer.status()),
        Err(other) => panic!("{origin} at {}: {other}", way.host),
    }
}
