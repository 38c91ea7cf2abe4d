//! A pod that no worker made: its objects by the docker CLI, as the runtime and the network manager make them, and its
//! row by SQL. A state that took several accidents to come about is there in a moment.

use pinacle_worker::docker::{
    SubnetPool,
    names::{bridge_name, home_name, object_name},
};
use serde_json::json;

use crate::support::{
    TestDb,
    host::{inventory, sh},
    turn,
};

/// The lease that the row and the fence file of such a pod remember.
const LEASE: i32 = 7;
/// Where the worker has its pods' networks from by default.
const SUBNETS: &str = "10.200.0.0/14";

/// What a pod host holds of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    Container,
    Network,
    Volume,
    Fence,
}

impl Object {
    pub const ALL: [Self; 4] = [Self::Container, Self::Network, Self::Volume, Self::Fence];

    /// Any of them or none, all 16 ways.
    pub fn subsets() -> impl Iterator<Item = Vec<Self>> {
        (0..16).map(|bits| (0..4).filter(|bit| bits & (1 << bit) != 0).map(|bit| Self::ALL[bit]).collect())
    }
}

pub struct Made {
    pub pod: String,
    pub port: i32,
    /// What is on the host, or was.
    pub container: String,
}

impl Made {
    /// Makes a pod of this status without what is `missing` on the host.
    pub async fn new(db: &TestDb, server: &str, status: &str, port: i32, missing: &[Object]) -> Self {
        let pod = db.pod(&format!("left-{port}"), &json!({})).await;
        let running = matches!(status, "running" | "stopping");
        let mut labels = format!("--label pinacle.pod={pod}");
        // Beside others it must be told whose it is; what has no owner counts as everybody's.
        if turn::subnets().is_some() {
            labels += &db.text("SELECT ' --label pinacle.installation=' || id FROM pinacle_installation").await;
        }
        let container = on_host(&pod, port, &labels, missing, running).unwrap_or_else(|| "f".repeat(64));
        let started = if matches!(status, "pending" | "provisioning") { "NULL" } else { "now()" };
        db.execute(&format!(
            "UPDATE pods SET status = '{status}', server_id = '{server}', proxy_port = {port}, lease = {LEASE},
                    container_id = '{container}', internal_ip = '10.0.0.2', public_url = 'http://pod:{port}',
                    last_started_at = {started}, cpu_cores = 0.5, memory_mb = 1024, disk_gb = 10
             WHERE id = '{pod}'"
        ))
        .await;
        // A secret that is a part of most ids must be hidden in the log, and change nothing else.
        db.execute(&format!("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{pod}', 'env', 'A', '1')"))
            .await;
        Self { pod, port, container }
    }

    /// What of it is on the host.
    pub fn left(&self) -> Vec<String> {
        let names = [object_name(&self.pod), home_name(&self.pod), bridge_name(&self.pod), self.pod.clone()];
        let mine = |line: &String| line.split(' ').any(|word| names.contains(&word.to_owned()));
        inventory().into_iter().filter(mine).collect()
    }

    /// Nothing is left of it but its row, which holds nothing.
    pub async fn assert_gone(&self, db: &TestDb, what: &str) {
        let row = db
            .text(&format!(
                "SELECT (status, destroyed_at IS NOT NULL, container_id, internal_ip, public_url, proxy_port, cpu_cores,
                         memory_mb, disk_gb, last_error) FROM pods WHERE id = '{}'",
                self.pod
            ))
            .await;
        assert_eq!(row, "(terminated,t,,,,,,,,)", "{what}");
        let secrets = format!("SELECT count(*) FROM pod_secrets WHERE pod_id = '{}'", self.pod);
        assert_eq!(db.text(&secrets).await, "0", "{what}");
        assert_eq!(self.left(), [""; 0], "{what}");
    }
}

/// Makes what is not missing, and returns the container's id.
fn on_host(pod: &str, port: i32, labels: &str, missing: &[Object], running: bool) -> Option<String> {
    let (name, bridge) = (object_name(pod), bridge_name(pod));
    let (address, subnets) = (turn::address(), turn::subnets());
    let subnet = subnets.as_deref().unwrap_or(SUBNETS).parse::<SubnetPool>().unwrap().subnet_of(port);
    let there = |object| !missing.contains(&object);
    // Docker makes no container without its network; one that is to be missing is removed again below.
    if there(Object::Network) || there(Object::Container) {
        sh(&format!(
            "docker network create --driver bridge --subnet {subnet} {labels} \
             --opt com.docker.network.bridge.name={bridge} {name}"
        ));
    }
    if there(Object::Volume) {
        sh(&format!("docker volume create {labels} {name}"));
    }
    let container = there(Object::Container).then(|| {
        // Docker removes no volume that a container has, so a container whose volume is missing never had one.
        let mount = format!("--mount type=volume,source={name},target=/workspace");
        let mount = if there(Object::Volume) { &mount } else { "" };
        let container = sh(&format!(
            "docker container create --runtime runsc --name {name} --hostname left {labels} \
             --network {name} --publish {address}:{port}:80/tcp {mount} --restart unless-stopped --stop-timeout 10 \
             --cap-drop ALL --pull never pinacledev/pinacle-base sleep infinity"
        ));
        if running {
            sh(&format!("docker container start {name}"));
        }
        container
    });
    if !there(Object::Network) && container.is_some() {
        if running {
            sh(&format!("docker network disconnect --force {name} {name}"));
        }
        sh(&format!("docker network rm {name}"));
    }
    if there(Object::Fence) {
        sh(&format!(
            "dir=/var/lib/pinacle-worker/fences; mkdir -p -m 700 $dir; printf '%-40s\\n' '{LEASE} 1' >$dir/{pod}"
        ));
    }
    container
}
