//! The one story that a program in a pod is told: that it, and the page that speaks to it, are at localhost.

use serde_json::{Value, json};

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, header, sh},
    turn,
};

const JUDGES: &str = include_str!("../fixtures/judges.mjs");

/// The pod's port, with what a request to it says beside its Host.
struct Pod {
    port: String,
}

impl Pod {
    /// What curl prints of one request: `-w` and the like are among the options.
    fn curl(&self, options: &str, path: &str) -> String {
        let (address, port) = (turn::address(), &self.port);
        sh(&format!("curl -sS -m 30 {options} 'http://{address}:{port}{path}'"))
    }

    /// What the judges say of a request that has these headers.
    fn judged(&self, headers: &[String]) -> Value {
        let options: Vec<String> = headers.iter().map(|header| format!("-H '{header}'")).collect();
        let page = self.curl(&options.join(" "), "/judge");
        serde_json::from_str(&page).unwrap_or_else(|_| panic!("{headers:?}: {page}"))
    }

    fn location(&self, host: &str, proto: &str, to: &str) -> String {
        let options = format!(
            "-G --data-urlencode 'url={to}' -o /dev/null -D - -H 'Host: {host}' -H 'X-Forwarded-Proto: {proto}'"
        );
        header(&self.curl(&options, "/to"), "location").unwrap_or_default()
    }
}

#[tokio::test]
async fn a_program_and_its_page_are_at_localhost_whatever_the_browser_sees() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let config = json!({
        "tier": "dev.large",
        "install": format!("cat >judges.mjs <<'END'\n{JUDGES}\nEND"),
        "processes": [{
            "name": "judges",
            "startCommand": "exec node judges.mjs",
            "healthCheck": "curl -fsS http://127.0.0.1:3000/ && curl -fsS http://127.0.0.1:5173/",
        }],
        "hooks": { "postStart": ["printf %s \"$PINACLE_PUBLIC_URL\" >/workspace/public"] },
    });
    let pod_id = db.pod("told", &config).await;
    db.done(&pod_id, "create").await;
    let port = db.proxy_port(&pod_id).await;
    let public_url = db.text(&format!("SELECT public_url FROM pods WHERE id = '{pod_id}'")).await;
    assert_eq!(public_url, format!("http://pod-told.localhost:{port}"));
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod_id} cat /workspace/public")), public_url);
    let pod = Pod { port: port.clone() };

    judges_agree(&pod);
    redirects_come_back(&pod);
    answers_come_back(&pod);
    nothing_is_too_long_or_too_odd(&pod);
    silence_has_its_reason(&pod);
    db.done(&pod_id, "destroy").await;
    host.assert_as_before();
}

fn judges_agree(pod: &Pod) {
    let port = &pod.port;
    // As a browser comes: directly, and through proxies that end TLS and say so in their ways.
    for (host, scheme) in [
        (format!("pod-told.localhost:{port}"), "http"),
        (format!("localhost-3000.pod-told.localhost:{port}"), "http"),
        ("localhost-3000-pod-told.localhost".to_owned(), "https"),
        (format!("127.0.0.1:{port}"), "http"),
    ] {
        let page = format!("{scheme}://{host}");
        let mut headers = vec![format!("Host: {host}"), format!("Origin: {page}"), format!("Referer: {page}/a?b=c")];
        if scheme == "https" {
            headers.extend([
                "X-Forwarded-Proto: https".to_owned(),
                format!("X-Forwarded-Host: {host}"),
                "X-Forwarded-Port: 443".to_owned(),
                format!("Forwarded: for=192.0.2.1;host={host};proto=https"),
                "Front-End-Https: on".to_owned(),
            ]);
        }
        let judged = pod.judged(&headers);
        for judge in ["django", "rails", "serverAction", "hotReload", "form", "socket", "linked", "silent"] {
            assert_eq!(judged[judge], true, "{judge} of {headers:?}: {judged}");
        }
        assert_eq!(judged["referer"], "http://localhost:3000/a?b=c");
        assert_eq!((&judged["host"], &judged["origin"]), (&json!("localhost:3000"), &json!("http://localhost:3000")));
    }
    // A page on another port of the pod is at that port of localhost, and one from elsewhere is from there.
    let headers = |origin: &str| [format!("Host: pod-told.localhost:{port}"), format!("Origin: {origin}")];
    let other = pod.judged(&headers(&format!("http://localhost-5173.pod-told.localhost:{port}")));
    assert_eq!(other["origin"], "http://localhost:5173", "{other}");
    for foreign in [
        "https://evil.example",
        "null",
        "http://pod-other.localhost",
        "http://pod-told.evil.example",
        "http://localhost-5173.pod-told.localhost.evil.example",
        "http://localhost:3000",
    ] {
        assert_eq!(pod.judged(&headers(foreign))["origin"], foreign);
    }
    // A name that anybody may have pointed here is not taken for the pod's.
    let pointed = pod.judged(&["Host: rebound.example".to_owned(), "Origin: http://rebound.example".to_owned()]);
    assert_eq!(pointed["origin"], "http://rebound.example");
    assert!(pod.judged(&[format!("Host: pod-told.localhost:{port}")])["origin"].is_null());
}

fn redirects_come_back(pod: &Pod) {
    let dotted = format!("localhost-3000.pod-told.localhost:{}", pod.port);
    for (to, comes) in [
        ("/there", "/there".to_owned()),
        ("http://localhost:3000/items/?a=b#c", "/items/?a=b#c".to_owned()),
        ("https://localhost:3000/items/", "/items/".to_owned()),
        ("http://localhost:3000", "/".to_owned()),
        ("http://localhost:3000?a=b", "/?a=b".to_owned()),
        ("http://127.0.0.1:3000/x", "/x".to_owned()),
        ("http://[::1]:3000/x", "/x".to_owned()),
        ("http://0.0.0.0:3000/x", "/x".to_owned()),
        ("http://localhost/x", "/x".to_owned()),
        ("//localhost:3000/x", "/x".to_owned()),
        ("HTTP://LOCALHOST:3000/X", "/X".to_owned()),
        ("http://localhost:3000//evil.example", "/evil.example".to_owned()),
        ("http://localhost:5173/login", format!("http://localhost-5173.pod-told.localhost:{}/login", pod.port)),
        ("http://localhost.evil.example/", "http://localhost.evil.example/".to_owned()),
        ("http://localhost:3000@evil.example/", "http://localhost:3000@evil.example/".to_owned()),
        (
            "https://example.com/?next=http://localhost:3000/",
            "https://example.com/?next=http://localhost:3000/".to_owned(),
        ),
    ] {
        assert_eq!(pod.location(&dotted, "http", to), comes, "{to}");
    }
    let to = "http://localhost:5173/login";
    assert_eq!(pod.location("pod-told.example.com", "https", to), "https://localhost-5173-pod-told.example.com/login");
    assert_eq!(
        pod.location("localhost-3000-pod-told.example.com", "https, http", to),
        "https://localhost-5173-pod-told.example.com/login"
    );
    assert_eq!(pod.location("127.0.0.1:30001", "http", to), to, "a pod without a name has no other ports");
}

fn answers_come_back(pod: &Pod) {
    let host = "localhost-3000.pod-told.localhost";
    let cookies = pod.curl(&format!("-o /dev/null -D - -H 'Host: {host}'"), "/cookie");
    assert!(
        cookies.contains(&format!("a=1; Path=/; Domain={host}; HttpOnly")) && cookies.contains("b=2; Path=/"),
        "{cookies}"
    );

    let asked = |origin: &str, path: &str| {
        let answer = pod.curl(&format!("-o /dev/null -D - -H 'Host: {host}' -H 'Origin: {origin}'"), path);
        (header(&answer, "access-control-allow-origin").unwrap_or_default(), answer)
    };
    let page = format!("http://localhost-5173.pod-told.localhost:{}", pod.port);
    let (allowed, answer) = asked(&page, "/cors");
    assert_eq!(allowed, page, "a page of the pod's own is answered by its own name");
    assert_eq!(asked(&page, "/cors?allowed=http://localhost:5173").0, page);
    assert_eq!(asked(&page, "/cors?allowed=http://localhost:1").0, "http://localhost:1");
    assert_eq!(asked(&page, "/cors?allowed=*").0, "*");
    assert_eq!(asked("https://friend.example", "/cors").0, "https://friend.example");
    // What means something to nginx is between the program and its own; the rest is the program's, too.
    assert_eq!(header(&answer, "x-accel-redirect").as_deref(), Some("/elsewhere"), "{answer}");
    assert_eq!(header(&answer, "server").as_deref(), Some("judges"));
}

fn nothing_is_too_long_or_too_odd(pod: &Pod) {
    let host = "-H 'Host: pod-told.localhost'";
    for size in [5_000, 32_000, 60_000] {
        let answer = pod.curl(&format!("{host} -D - -o /dev/null"), &format!("/headers?size={size}"));
        assert_eq!(header(&answer, "x-long").map(|value| value.len()), Some(size));
        assert_eq!(header(&answer, "X_Under_Score").as_deref(), Some("kept"), "{answer}");
        assert_eq!(header(&answer, "x.dot!").as_deref(), Some("kept"));
        let sent = pod.curl(&format!("{host} -H 'Cookie: {}'", "c".repeat(size)), "/names");
        assert!(sent.contains(&"c".repeat(size)), "a cookie of {size} bytes");
    }
    let names = pod.curl(&format!("{host} -H 'X_Api_Key: kept' -H 'x.dot!: kept'"), "/names");
    assert!(names.contains("\"X_Api_Key\",\"kept\"") && names.contains("\"x.dot!\",\"kept\""), "{names}");
    let path = format!("/ok?{}", "q".repeat(30_000));
    assert_eq!(pod.curl(host, &path), "ok");
    assert_eq!(pod.curl(host, "/early"), "late");
}

fn silence_has_its_reason(pod: &Pod) {
    for (port, says) in
        [(4000, "Nothing answers on port 4000"), (4001, "Port 4001 hung up"), (4002, "Port 4002 sent a broken answer")]
    {
        let (page, code) = fetch(&pod.port, &format!("localhost-{port}.pod-told.localhost"), "/");
        let headings = page.matches("<h1>").count();
        assert!(code == "502" && page.contains(says) && headings == 1, "{port}: {code} {page}");
    }
}
