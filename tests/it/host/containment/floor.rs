//! What a pod reaches on the network: replies, names and the Internet; and what reaches a pod.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    PodHost, TestDb, Worker, env, free_port,
    host::{inspect, neighbour, neighbour_address, sh},
    worker::{binary, cli},
};

/// Where clouds tell a machine its credentials; and a network of somebody's own.
const METADATA: &str = "169.254.169.254";
const PRIVATE: &str = "10.9.9.9";

/// A web server that listens at all addresses of its machine.
struct Server {
    child: Child,
    _folder: TempDir,
    port: u16,
}

impl Server {
    /// `program` makes a command that runs on its machine.
    fn start(program: impl Fn(&str) -> Command, address: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = program("python3")
            .args(["-m", "http.server", &port.to_string(), "--bind", "0.0.0.0", "--directory"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, _folder: folder, port };
        let answer = format!("curl -fsS -m 5 -o /dev/null {}", server.at(address));
        sh(&format!("for i in $(seq 100); do {answer} 2>/dev/null && exit; sleep 0.1; done; {answer}"));
        server
    }

    fn at(&self, address: &str) -> String {
        format!("http://{address}:{}/", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Addresses of the neighbour's beside its own.
struct Addresses(&'static [&'static str]);

impl Addresses {
    fn added(addresses: &'static [&'static str]) -> Self {
        let (namespace, there) = (env("PINACLE_DEV_NEIGHBOUR"), neighbour_address());
        for address in addresses {
            sh(&format!("ip -n {namespace} address add {address}/32 dev lo && ip route add {address} via {there}"));
        }
        Self(addresses)
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        let namespace = env("PINACLE_DEV_NEIGHBOUR");
        for address in self.0 {
            sh(&format!("ip route del {address}; ip -n {namespace} address del {address}/32 dev lo"));
        }
    }
}

/// The exit code of `curl` in a pod.
fn curl(pod: &str, url: &str) -> String {
    sh(&format!("docker exec pinacle-pod-{pod} curl -sS -m 4 -o /dev/null {url} 2>/dev/null; echo $?"))
}

async fn text(db: &TestDb, pod: &str, column: &str) -> String {
    db.text(&format!("SELECT {column} FROM pods WHERE id = '{pod}'")).await
}

#[tokio::test]
async fn a_pod_reaches_the_internet_and_nothing_else() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    // As where a proxy on another machine leads to the pods.
    let bind_address = env("PINACLE_DEV_NEIGHBOUR_GATEWAY");
    db.execute(&format!("UPDATE servers SET bind_address = '{bind_address}'")).await;
    let _worker = Worker::start(&db).await;
    let config = json!({ "processes": [{
        "name": "app",
        "startCommand": "exec busybox httpd -f -p 3000 -h /etc/nginx",
        "healthCheck": "curl -fsS -o /dev/null http://127.0.0.1:3000/nginx.conf",
    }]});
    let (attacker, victim) = (db.pod("attacker", &config).await, db.pod("victim", &config).await);
    db.done(&attacker, "create").await;
    db.done(&victim, "create").await;
    let (victims_ip, victims_port) = (text(&db, &victim, "internal_ip").await, text(&db, &victim, "proxy_port").await);
    let _addresses = Addresses::added(&[METADATA, PRIVATE]);
    let beside = Server::start(neighbour, METADATA);
    let hosts = Server::start(|program| Command::new(program), "127.0.0.1");

    let network = &inspect(&attacker)["NetworkSettings"]["Networks"][format!("pinacle-pod-{attacker}")];
    let gateway = network["Gateway"].as_str().unwrap().to_owned();
    // Of Docker's own bridge, too.
    let hosts_addresses = sh("hostname -I");
    let hosts_addresses = hosts_addresses.split_whitespace().filter(|address| address.contains('.'));
    let mut kept_from = vec![
        beside.at(METADATA),
        beside.at(PRIVATE),
        format!("http://{victims_ip}/"),
        format!("http://{victims_ip}:3000/nginx.conf"),
        format!("-H 'Host: pod-victim.localhost' http://{bind_address}:{victims_port}/nginx.conf"),
    ];
    kept_from.extend([&*gateway, &bind_address].into_iter().chain(hosts_addresses).map(|address| hosts.at(address)));
    for url in &kept_from {
        // Each of them answers somebody else.
        if !url.contains(&victims_ip) {
            sh(&format!("curl -fsS -m 10 -o /dev/null {url}"));
        }
        // Not to be connected, or out of time.
        assert!(["7", "28"].contains(&&*curl(&attacker, url)), "{url}");
    }

    // What a developer needs.
    assert_eq!(curl(&attacker, &beside.at(&neighbour_address())), "0");
    assert_eq!(curl(&attacker, "-f https://registry.npmjs.org/left-pad"), "0");
    sh(&format!("docker exec pinacle-pod-{attacker} getent ahostsv4 deb.debian.org"));

    // From outside, a pod is reached by its port, and not by its own address.
    let outside = |url: &str| {
        let mut curl = neighbour("curl");
        let output = curl.args([
            "-sS",
            "-m",
            "4",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            "Host: pod-victim.localhost",
            url,
        ]);
        String::from_utf8(output.output().unwrap().stdout).unwrap()
    };
    assert_eq!(outside(&format!("http://{bind_address}:{victims_port}/nginx.conf")), "200");
    assert_eq!(outside(&format!("http://{victims_ip}/nginx.conf")), "000");
    assert_eq!(outside(&format!("http://{victims_ip}:3000/nginx.conf")), "000");
    // The machine itself still reaches it, as Docker's own proxy does.
    sh(&format!("curl -fsS -m 10 -o /dev/null http://{victims_ip}:3000/nginx.conf"));

    let report: Value = serde_json::from_slice(&cli(&db, &["check", "--json"]).stdout).unwrap();
    let text = report.to_string();
    assert!(text.contains("a container reaches neither the host nor private networks"), "{text}");
    for pod in [&attacker, &victim] {
        db.done(pod, "destroy").await;
    }
    host.assert_as_before();
}

/// The table that was there, which comes back.
struct Floor(String);

impl Floor {
    fn taken_away() -> Self {
        let rules = sh("nft list table inet pinacle");
        sh("nft delete table inet pinacle");
        Self(rules)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.0).unwrap();
        sh(&format!("nft -f {}", file.path().display()));
    }
}

#[tokio::test]
async fn no_pod_is_made_where_it_would_reach_the_host() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let before = db.pod("before", &json!({})).await;
    let worker = Worker::start(&db).await;
    db.done(&before, "create").await;
    let floor = Floor::taken_away();

    let pod = db.pod("unconfined", &json!({})).await;
    let error = db.refused(&pod, "create").await;
    for said in ["server host does not confine its pods", "deploy/pod-host.sh", "ALLOW_UNCONFINED_PODS"] {
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(text(&db, &pod, "concat(server_id, proxy_port, container_id)").await, "", "it was undone");
    let check = |settings: &[(&str, &str)]| {
        let checked =
            binary().env("DATABASE_URL", db.url()).envs(settings.iter().copied()).arg("check").output().unwrap();
        (checked.status.code(), String::from_utf8(checked.stdout).unwrap())
    };
    let (code, said) = check(&[]);
    assert!(code == Some(1) && said.contains("a container is not kept from"), "{said}");
    // What was there before goes on.
    db.done(&before, "restart").await;

    worker.stop().await;
    let trusting = [("ALLOW_UNCONFINED_PODS", "true")];
    let _worker = Worker::start_with(&db, &trusting).await;
    db.done(&pod, "create").await;
    let (code, said) = check(&trusting);
    assert!(code == Some(0) && said.contains("ALLOW_UNCONFINED_PODS is true"), "{said}");

    // One that can't be put up as a whole is not put up at all.
    sh(
        "! EGRESS_ALLOW=300.1.2.3 deploy/pod-host.sh floor | nft -f - 2>/dev/null && ! nft list table inet pinacle 2>/dev/null",
    );
    drop(floor);
    for pod in [&before, &pod] {
        db.done(pod, "destroy").await;
    }
    host.assert_as_before();
}
