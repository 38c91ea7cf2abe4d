//! Docker's HTTP API over its own socket, in process: what a pod's parts cost without a worker.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use pinacle_worker::docker::names::home_name;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::support::{HANG, free_port};

/// The pause between two tries to fetch a page.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// The subnet of the reference's network: no pod gets it, and Docker does not choose it by itself.
const SUBNET: &str = "10.199.255.0/28";
const BRIDGE: &str = "br-bench";
const PAGE_TIMEOUT: Duration = Duration::from_secs(1);
/// A name that belongs to no pod, so the pod's nginx itself responds.
const PAGE_HOST: &str = "proxy.invalid";

/// A container with network and volumes, made by the API alone, with the options of a pod's container.
pub struct Reference {
    socket: PathBuf,
    name: String,
    port: u16,
    network: Value,
    volume: Value,
    container: Value,
}

impl Reference {
    /// Copies the options of an existing pod, so that they are not repeated here.
    pub async fn like(pod: &str) -> Self {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let socket = PathBuf::from(host.strip_prefix("unix://").expect("a DOCKER_HOST that is a unix socket"));
        let (ours, name, port) = (format!("pinacle-pod-{pod}"), format!("pinacle-bench-{pod}"), free_port());
        let home = (home_name(pod), format!("{name}-home"));
        // It has other labels, or the worker would take it for an orphan.
        let renamed = |value: &Value| -> Value {
            let text =
                value.to_string().replace(&ours, &name).replace(&home.0, &home.1).replace("\"pinacle.", "\"bench.");
            serde_json::from_str(&text).unwrap()
        };
        let get = async |path: String| call(&socket, Method::GET, &path, None).await;
        let network = get(format!("/networks/{ours}")).await;
        let volume = get(format!("/volumes/{ours}")).await;
        let container = get(format!("/containers/{ours}/json")).await;

        let network = json!({
            "Name": name, "Driver": network["Driver"], "Labels": renamed(&network["Labels"]),
            "IPAM": { "Config": [{ "Subnet": SUBNET }] },
            "Options": { "com.docker.network.bridge.name": BRIDGE },
        });
        let volume = json!({ "Name": name, "Labels": renamed(&volume["Labels"]), "DriverOpts": volume["Options"] });
        let (mut body, mut host) = (renamed(&container["Config"]), renamed(&container["HostConfig"]));
        for bindings in host["PortBindings"].as_object_mut().unwrap().values_mut() {
            bindings[0]["HostPort"] = json!(port.to_string());
            bindings[0]["HostIp"] = json!("127.0.0.1");
        }
        body["HostConfig"] = host;
        Self { socket, name, port, network, volume, container: body }
    }

    async fn post(&self, path: &str, body: Option<&Value>) {
        call(&self.socket, Method::POST, path, body).await;
    }

    async fn delete(&self, path: &str) {
        call(&self.socket, Method::DELETE, path, None).await;
    }

    /// Makes all parts, and waits for the page.
    pub async fn create(&self) {
        self.post("/networks/create", Some(&self.network)).await;
        self.post("/volumes/create", Some(&self.volume)).await;
        self.post(&format!("/containers/create?name={}", self.name), Some(&self.container)).await;
        self.start().await;
    }

    /// Starts it, and waits for the page.
    pub async fn start(&self) {
        self.post(&format!("/containers/{}/start", self.name), None).await;
        let page = async {
            while !self.page().await.is_some_and(|status| status.is_success()) {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        };
        tokio::time::timeout(HANG, page).await.expect("a page of the reference");
    }

    /// Stops it by `docker stop`, as a person would.
    pub async fn stop(&self) {
        let status = tokio::process::Command::new("docker").args(["stop", &self.name]).stdout(Stdio::null()).status();
        assert!(status.await.unwrap().success(), "docker stop of the reference");
    }

    pub async fn remove(&self) {
        self.delete(&format!("/containers/{}?force=true&v=true", self.name)).await;
        self.delete(&format!("/networks/{}", self.name)).await;
        self.delete(&format!("/volumes/{}", self.name)).await;
        self.delete(&format!("/volumes/{}-home", self.name)).await;
    }

    /// Fetches the page through the published port; `None` if nothing responds yet.
    async fn page(&self) -> Option<StatusCode> {
        let response = async {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
            let request = Request::get("/").header("Host", PAGE_HOST).body(Full::default()).unwrap();
            Some(send(stream, request).await.ok()?.0)
        };
        // A connection that Docker accepts before the container listens may never get a response.
        tokio::time::timeout(PAGE_TIMEOUT, response).await.ok()?
    }
}

impl Drop for Reference {
    /// Removes what a benchmark that panicked left behind; otherwise there is nothing.
    fn drop(&mut self) {
        let name = &self.name;
        let remove = format!("docker rm -f -v {name}; docker network rm {name}; docker volume rm {name} {name}-home");
        drop(Command::new("sh").args(["-c", &remove]).output());
    }
}

/// Calls the API, checks that it succeeds, and returns its JSON.
async fn call(socket: &PathBuf, method: Method, path: &str, body: Option<&Value>) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "docker")
        .header("Content-Type", "application/json")
        .body(Full::from(body.map(Value::to_string).unwrap_or_default()))
        .unwrap();
    let (status, body) = send(UnixStream::connect(socket).await.unwrap(), request).await.unwrap();
    assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap_or_default()
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<(StatusCode, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, body))
}
