//! `NetworkManager`: a pod's own network, and which ports of its host are free.

use std::sync::Arc;

use super::{
    Container, SubnetPool,
    names::{bridge_name, label_options, object_name},
    runtime::ContainerRuntime,
};
use crate::{
    podspec::Tier,
    remote::{Command, script},
    transcript::{HostError, Recorder},
};

/// Where clouds serve a machine its credentials. It stands for all private addresses: a firewall of the host's own may
/// keep a pod from the host alone.
pub const METADATA: &str = "169.254.169.254";

/// A function for bash in a container: whether an address is kept from it by the floor that `deploy/pod-host.sh` puts
/// under the pods' network.
pub const PROHIBITED: &str = include_str!("scripts/prohibited.bash");

const WAY_OUT: &str = include_str!("scripts/way-out.sh");
/// What Docker gives to a network by default.
const DOCKERS_MTU: u16 = 1500;
/// No network may have less by IPv4's own rules.
const MIN_MTU: u16 = 576;

/// TCP's state LISTEN in Linux's `/proc/net/tcp`.
const LISTEN: &str = "0A";

pub struct NetworkManager {
    recorder: Recorder,
    sudo: bool,
    pod_id: String,
    installation: Arc<str>,
    pool: SubnetPool,
}

impl NetworkManager {
    pub fn new(recorder: Recorder, sudo: bool, pod_id: &str, installation: &Arc<str>, pool: SubnetPool) -> Self {
        Self { recorder, sudo, pod_id: pod_id.to_owned(), installation: Arc::clone(installation), pool }
    }

    /// What creates the pod's network, with the subnet that belongs to its port: the port is unique on its host, and so
    /// is the subnet, without asking Docker for a free one (it has about thirty). The network's MTU
    /// is that of the host's way out: routers on that way may drop larger packets without a word.
    pub async fn creation(&self, port: i32) -> Result<Command, HostError> {
        let subnet = self.pool.subnet_of(port);
        let mut create = Command::docker(self.sudo)
            .args(["network", "create", "--driver", "bridge", "--subnet", &subnet])
            .args(["--opt", &format!("com.docker.network.bridge.name={}", bridge_name(&self.pod_id))]);
        if let Some(mtu) = self.mtu().await? {
            create = create.args(["--opt", &format!("com.docker.network.driver.mtu={mtu}")]);
        }
        Ok(create
            .args(label_options(&self.pod_id, &self.installation))
            .arg(object_name(&self.pod_id))
            .label("🌐 Creating the network"))
    }

    /// The MTU of the host's way out, where it is another than Docker's own. It is asked once in some minutes.
    async fn mtu(&self) -> Result<Option<u16>, HostError> {
        const FACT: &str = "mtu";
        let facts = &self.recorder.host.facts;
        if let Some(value) = facts.get(FACT) {
            return Ok(unusual_mtu(&value));
        }
        let value = self.recorder.run_unchecked(&way_out()).await?.stdout;
        facts.put(FACT.to_owned(), value.clone());
        Ok(unusual_mtu(&value))
    }

    /// Puts the pod's container, which must not run, into the pod's network. Docker does not start a
    /// container that names a network that is gone, so that one is disconnected first.
    pub async fn connect_container(&self, container: &Container) -> Result<(), HostError> {
        let name = object_name(&self.pod_id);
        if container.names_network() {
            self.recorder
                .run(&Command::docker(self.sudo).args(["network", "disconnect", "--force", &name, &name]))
                .await?;
        }
        let connect =
            Command::docker(self.sudo).args(["network", "connect", &name, &name]).label("🌐 Connecting the container");
        self.recorder.run(&connect).await.map(drop)
    }

    /// The TCP ports that programs on the host listen on, from the kernel itself: no tool has to be there.
    pub async fn listening_ports(&self) -> Result<Vec<i32>, HostError> {
        let tables =
            self.recorder.run_unchecked(&Command::new("cat").args(["/proc/net/tcp", "/proc/net/tcp6"])).await?;
        Ok(parse_listening_ports(&tables.stdout))
    }
}

impl ContainerRuntime {
    /// Creates the network by `creation`, and at the same time the volume where it is missing: neither needs the other.
    pub async fn create_network(&self, creation: Command, tier: &Tier) -> Result<(), HostError> {
        let lacks_volume = !self.found().await?.has_workspace();
        let create = if lacks_volume {
            creation.beside(&self.volume_creation(tier).await?)?.label("🌐 Creating network and volume")
        } else {
            creation
        };
        let created = self.recorder.run(&create).await?.stdout;
        self.update(|found| {
            // Docker prints the network's id, and the volume's name.
            found.networks.extend(created.lines().filter(|line| *line != self.name).map(str::to_owned));
            if lacks_volume {
                found.add_volume(&self.name);
            }
        })
        .await;
        Ok(())
    }

    /// Removes every network of the pod. True where there was one.
    pub async fn remove_networks(&self) -> Result<bool, HostError> {
        let networks = self.found().await?.networks;
        if networks.is_empty() {
            return Ok(false);
        }
        let remove = Command::docker(self.sudo).args(["network", "rm"]).args(networks).label("🗑️ Removing the network");
        self.recorder.run(&remove).await?;
        self.update(|found| found.networks.clear()).await;
        Ok(true)
    }
}

/// Asks a host for the MTU of its way out, which [`unusual_mtu`] reads.
pub fn way_out() -> Command {
    script(WAY_OUT, [])
}

/// The MTU of a host's way out, where it is another than Docker gives to a network by itself.
pub fn unusual_mtu(value: &str) -> Option<u16> {
    value.trim().parse().ok().filter(|mtu| *mtu >= MIN_MTU && *mtu != DOCKERS_MTU)
}

/// The ports in the state LISTEN, from the text of `/proc/net/tcp` and `tcp6`.
pub fn parse_listening_ports(tables: &str) -> Vec<i32> {
    tables
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next()?, fields.nth(1)?);
            (state == LISTEN).then_some(())?;
            i32::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mtu_is_said_where_docker_would_take_another() {
        for (value, mtu) in
            [("1400\n", Some(1400)), ("9000", Some(9000)), ("1500\n", None), ("", None), ("65536", None), ("0", None)]
        {
            assert_eq!(unusual_mtu(value), mtu, "{value:?}");
        }
    }

    #[test]
    fn the_kernel_knows_who_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = i32::from(listener.local_addr().unwrap().port());
        let tables = || std::fs::read_to_string("/proc/net/tcp").unwrap();
        assert!(parse_listening_ports(&tables()).contains(&port));
        drop(listener);
        assert!(!parse_listening_ports(&tables()).contains(&port));
    }
}
