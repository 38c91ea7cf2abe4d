//! A pod host falls silent: its packets are lost, and nobody says so.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{assert_cut_and_run_again, assert_made_whole, hanging_create, until_retrying};
use crate::{
    host::sshd::Sshd,
    support::{PodHost, TestDb, Worker, host::sh},
};

/// A network of two: this machine, and a namespace in which a pod host can listen.
struct Network {
    name: String,
    address: String,
}

impl Network {
    fn new() -> Self {
        let id = Uuid::new_v4();
        let [third, fourth, ..] = *id.as_bytes();
        // Of the block that is set aside for tests of networks: four addresses.
        let network = |last: u8| format!("198.18.{third}.{}", fourth & 0xfc | last);
        let name = format!("pt-{}", &id.simple().to_string()[..8]);
        let made = Self { address: network(2), name };
        let (name, ours, theirs) = (&made.name, network(1), &made.address);
        sh(&format!(
            "ip netns add {name}
             ip link add {name}-a type veth peer name {name}-b netns {name}
             ip address add {ours}/30 dev {name}-a && ip link set {name}-a up
             ip -n {name} address add {theirs}/30 dev {name}-b && ip -n {name} link set {name}-b up
             ip -n {name} link set lo up"
        ));
        made
    }

    fn lose_packets(&self) {
        sh(&format!("ip netns exec {} iptables -A INPUT -j DROP", self.name));
    }

    fn keep_packets(&self) {
        sh(&format!("ip netns exec {} iptables -D INPUT -j DROP", self.name));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        sh(&format!("ip link del {name}-a; ip netns del {name}", name = self.name));
    }
}

#[tokio::test]
async fn a_host_that_falls_silent_is_given_up_and_taken_up_again() {
    let (host, db, network) = (PodHost::in_lane().await, TestDb::new().await, Network::new());
    let sshd = Sshd::start_in(&network.name, &network.address, &Sshd::with_docker()).await;
    sshd.add_to(&db, "root").await;
    host.is_of(&db).await;
    let worker = Worker::start(&db).await;
    let (pod, job) = hanging_create(&db, "silent").await;
    network.lose_packets();
    let silent = Instant::now();
    let error = until_retrying(&db, &job).await;
    // Three keepalives, 15 s apart, were not answered.
    let took = silent.elapsed();
    assert!(took > Duration::from_secs(25), "{took:?}: {error}");
    assert!(error.contains("the connection to the host was lost"), "{error}");
    assert_eq!(db.pod_status(&pod).await, "provisioning");
    // Until then the host knows nothing of it: the guard there still waits for its command.
    network.keep_packets();
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    assert_cut_and_run_again(&db, &pod, "[the command was cut off: the connection to the host was lost]").await;
    assert_made_whole(&host, &db, &pod, &job, 2..=4).await;
    drop(worker);
}
