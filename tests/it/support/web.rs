//! A pod as its user meets it: by hostname through its one port, over HTTP, WebSocket and in a browser.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder};
use futures::{SinkExt, StreamExt};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::{HANG, eventually, free_port, turn};

/// A WebSocket through a pod's port.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one; `protocol` may be empty.
    pub async fn open(port: &str, host: &str, path: &str, protocol: &str) -> Self {
        Self::try_open(port, host, path, protocol, None).await.unwrap()
    }

    /// The same from a page at `origin`, where it may be refused.
    pub async fn try_open(
        port: &str,
        host: &str,
        path: &str,
        protocol: &str,
        origin: Option<&str>,
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
        if !protocol.is_empty() {
            request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", origin.parse().unwrap());
        }
        let stream = TcpStream::connect(format!("{}:{port}", turn::address())).await?;
        client_async(request, stream).await.map(|(socket, _)| Self(socket))
    }

    pub async fn send(&mut self, text: &str) {
        self.try_send(text).await.unwrap();
    }

    /// Sends to somebody who may have gone.
    pub async fn try_send(&mut self, text: &str) -> Result<(), Error> {
        self.0.send(Message::binary(text.as_bytes().to_vec())).await
    }

    /// Sends text that is said to be text.
    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Reads until the other side closes, at most for a while.
    pub async fn until_closed(&mut self, at_most: Duration) {
        let read = async { while let Some(Ok(_)) = self.0.next().await {} };
        drop(tokio::time::timeout(at_most, read).await);
    }

    /// Reads until what has come in all holds `text`.
    pub async fn read_until(&mut self, text: &str) {
        let mut read = String::new();
        let wait = async {
            while !read.contains(text) {
                let message = self.0.next().await.expect("a WebSocket that stays open").unwrap();
                read += &String::from_utf8_lossy(&message.into_data());
            }
        };
        let came = tokio::time::timeout(HANG, wait).await;
        assert!(came.is_ok(), "{text:?} did not come, but {read:?}");
    }
}

/// A headless browser.
pub struct Browser {
    driver: Child,
    pub client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub async fn start() -> Self {
        let (port, profile) = (free_port(), tempfile::tempdir().unwrap());
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; `make test` installs it");
        // Root's browser has no sandbox, and one without a network must not look for updates.
        let mut args = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync \
            --disable-background-networking --disable-component-update --disable-dev-shm-usage --window-size=1280,800"
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let address = turn::address();
        args.push(format!("--host-resolver-rules=MAP *.localhost {address}, MAP *.example.com {address}"));
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": { "args": args } });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client =
            eventually("a browser", async || builder.connect(&format!("http://127.0.0.1:{port}")).await.ok()).await;
        Self { driver, client, _profile: profile }
    }

    /// Keeps what the browser shows, for people to look at.
    pub async fn screenshot(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    pub async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

impl Drop for Browser {
    /// The browser of a test that has failed would outlive its driver.
    fn drop(&mut self) {
        drop(Command::new("pkill").args(["-KILL", "-P", &self.driver.id().to_string()]).status());
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
