//! A lane: a database of its own, whose pods share the host with those of the other lanes and meet none of them.

use std::net::Ipv4Addr;

use pinacle_worker::docker::{
    names::{bridge_name, home_name},
    network::parse_listening_ports,
};
use serde_json::{Value, json};

use crate::support::{
    PodHost, TestDb, Worker, eventually,
    host::{inventory, sh},
    turn,
};

pub struct Lane {
    pub db: TestDb,
    addresses: turn::Lane,
}

/// A pod with something of everything that a job does inside one.
pub fn config() -> Value {
    json!({
        "environment": { "GREETING": "hello" },
        "install": "echo installed >>/workspace/installs",
        "hooks": { "preStart": ["echo before"], "postStart": ["echo after"] },
        "processes": [{ "name": "web", "startCommand": "exec sleep 100000" }],
    })
}

impl Lane {
    pub async fn new(host: &PodHost) -> Self {
        let (db, addresses) = (TestDb::new().await, turn::Lane::another().await);
        host.add_to(&db).await;
        db.execute(&format!("UPDATE servers SET bind_address = '{}'", addresses.address())).await;
        Self { db, addresses }
    }

    pub async fn worker(&self, settings: &[(&str, &str)]) -> Worker {
        Worker::start_with(&self.db, &[settings, &[("POD_SUBNETS", &self.addresses.subnets())]].concat()).await
    }

    /// Takes a pod to a status by the jobs that lead there, with a worker of its own.
    pub async fn bring(&self, pod: &str, kinds: &[&str]) {
        let worker = self.worker(&[]).await;
        for kind in kinds {
            self.db.done(pod, kind).await;
        }
        worker.stop().await;
    }

    /// What the host has of a pod beside what its status asks for, and what is missing; once nothing of its last job
    /// runs any more.
    pub async fn amiss(&self, pod: &str) -> (Vec<String>, Vec<String>) {
        let name = format!("pinacle-pod-{pod}");
        eventually("the end of the last commands for the pod", async || {
            sh(&format!("pgrep -f 'docker.*[p]inacle-pod-{pod}' || true")).is_empty().then_some(())
        })
        .await;
        let bridge = bridge_name(pod);
        let mine = |line: &String| line.contains(pod) || line.contains(&bridge);
        let found: Vec<String> = inventory().into_iter().filter(mine).collect();
        let whole = |state: &str| {
            let container = format!("container {name} {state}");
            vec![
                format!("bridge {bridge}"),
                container,
                format!("fence {pod}"),
                format!("network {name}"),
                format!("volume {name}"),
                format!("volume {}", home_name(pod)),
            ]
        };
        let wanted = match self.db.pod_status(pod).await.as_str() {
            "running" => whole("running"),
            "stopped" => whole("exited"),
            _ => Vec::new(),
        };
        let extra = found.iter().filter(|line| !wanted.contains(line)).cloned().collect();
        let mut missing: Vec<String> = wanted.iter().filter(|line| !found.contains(line)).cloned().collect();
        // As the kernel writes the address; the same port on another is another lane's.
        let address = self.addresses.address().parse::<Ipv4Addr>().unwrap().to_bits().swap_bytes();
        let sockets = sh(&format!("grep ' {address:08X}:' /proc/net/tcp || true"));
        let listening = parse_listening_ports(&sockets);
        let port = self.db.proxy_port(pod).await;
        if port
            .parse()
            .is_ok_and(|port| listening.contains(&port) != wanted.contains(&format!("container {name} running")))
        {
            missing.push(format!("a listener on port {port} just while the pod runs"));
        }
        let open = "SELECT count(*) FROM pod_logs WHERE exit_code IS NULL OR duration IS NULL";
        if self.db.text(open).await != "0" {
            missing.push("the end of a row of pod_logs".to_owned());
        }
        (extra, missing)
    }

    /// The finished rows of the log.
    pub async fn finished_rows(&self) -> Vec<String> {
        self.db.texts("SELECT l FROM pod_logs l WHERE exit_code IS NOT NULL ORDER BY timestamp, id").await
    }
}
