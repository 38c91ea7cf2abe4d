//! The real frameworks in real pods, as their own generators and manuals have them: each behaves as on a developer's own
//! machine, on localhost and on a real domain, with and without a proxy before the pod that ends TLS. What they judge by
//! is in `localhost.rs`, for every run; these are run by `make test-apps`.
//!
//! An image for each kind has them in it (`fixtures/images`), in versions that are named there. Docker keeps what it has built.

mod django;
mod fastapi;
mod installs;
mod javascript;
mod rails;
mod streamlit;
mod tools;

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PodHost, TestDb, Worker, host::sh, image::image, turn};

/// One whose pages a browser takes for secure, and one that it does not.
pub const DOMAINS: [&str; 2] = ["localhost", "pods.example.com"];

/// A pod that runs one app.
pub struct App {
    name: &'static str,
    /// Where it listens in the pod.
    port: u16,
    pub pod: String,
    pub proxy_port: String,
    _worker: Worker,
    db: TestDb,
    host: PodHost,
}

/// How a browser comes to an app, and what it has to say of itself then.
pub struct Way {
    /// Where its pages are, to the browser.
    pub origin: String,
    pub host: String,
    /// What the proxy adds that has ended TLS, if there is one: all that any of them says, as curl's options.
    forwarded: String,
    address: String,
    folder: TempDir,
}

impl App {
    /// The app `name` of an image, which `command` makes listen on `port`.
    pub async fn start(kind: &str, name: &'static str, port: u16, command: &str) -> Self {
        let process = json!({
            "name": name,
            "startCommand": format!("cd /opt/apps/{name} && exec {command}"),
            "healthCheck": format!("curl -sS -m 60 -o /dev/null http://127.0.0.1:{port}/"),
        });
        Self::with(kind, name, port, json!({ "processes": [process] })).await
    }

    /// A pod of an image with whatever else is in its config.
    pub async fn with(kind: &str, name: &'static str, port: u16, mut config: Value) -> Self {
        config["baseImage"] = image(kind).into();
        config["tier"] = "dev.large".into();
        // Alone: a browser gives up what it loads when a network comes or goes on its machine, as with every pod.
        let (host, db) = (PodHost::turn().await, TestDb::new().await);
        host.add_to(&db).await;
        let worker = Worker::start(&db).await;
        let pod = db.pod(name, &config).await;
        db.done(&pod, "create").await;
        let proxy_port = db.proxy_port(&pod).await;
        Self { name, port, pod, proxy_port, _worker: worker, db, host }
    }

    /// The ways to it at a domain, which the pod is told of.
    pub async fn at(&self, domain: &str) -> [Way; 2] {
        self.db.execute(&format!("UPDATE servers SET domain = '{domain}'")).await;
        self.db.done(&self.pod, "start").await;
        self.ways(domain, self.port)
    }

    /// The ways to a port of the pod: straight to it, and through a proxy that ends TLS.
    pub fn ways(&self, domain: &str, port: u16) -> [Way; 2] {
        let Self { name, proxy_port, .. } = self;
        let straight = format!("localhost-{port}.pod-{name}.{domain}:{proxy_port}");
        let proxied = format!("localhost-{port}-pod-{name}.{domain}");
        let forwarded = format!(
            "-H 'X-Forwarded-Proto: https' -H 'X-Forwarded-Port: 443' -H 'X-Forwarded-Ssl: on' \
             -H 'X-Forwarded-Host: {proxied}' -H 'Forwarded: for=192.0.2.1;host={proxied};proto=https'"
        );
        [self.way("http", straight, String::new()), self.way("https", proxied, forwarded)]
    }

    fn way(&self, scheme: &str, host: String, forwarded: String) -> Way {
        let address = format!("{}:{}", turn::address(), self.proxy_port);
        Way { origin: format!("{scheme}://{host}"), host, forwarded, address, folder: tempfile::tempdir().unwrap() }
    }

    pub async fn end(self) {
        self.db.done(&self.pod, "destroy").await;
        self.host.assert_as_before();
    }
}

impl Way {
    /// What curl prints of one request. It keeps the cookies of this way.
    pub fn curl(&self, options: &str, path: &str) -> String {
        let Self { host, forwarded, address, folder, .. } = self;
        let cookies = folder.path().join("cookies").display().to_string();
        sh(&format!(
            "curl -sS -m 60 -b '{cookies}' -c '{cookies}' --connect-to '::{address}' {forwarded} {options} 'http://{host}{path}'"
        ))
    }

    /// One of the cookies that it keeps.
    pub fn cookie(&self, name: &str) -> String {
        let cookies = fs::read_to_string(self.folder.path().join("cookies")).unwrap();
        between(&cookies, &format!("\t{name}\t"), "\n").to_owned()
    }

    /// The head and the body of the answer to a form, which a page at `origin` sends.
    pub fn submit(&self, origin: &str, options: &str, path: &str) -> String {
        self.curl(&format!("-D - -H 'Origin: {origin}' -H 'Referer: {origin}{path}' {options}"), path)
    }
}

/// What stands between two texts, the first time.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("no {before:?} with {after:?} after it in {text}")).0
}
