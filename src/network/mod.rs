//! `NetworkManager`: a pod's own network, and which ports of its host are free.

mod subnet;

use std::sync::Arc;

pub use subnet::{InvalidSubnetPool, SubnetPool};

use crate::{
    host::{Command, HostError, Recorder},
    runtime::names::{bridge_name, label_filter, label_options, object_name},
};

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

    fn docker<const N: usize>(&self, args: [&str; N]) -> Command {
        Command::new("docker").args(args).sudo(self.sudo)
    }

    async fn networks(&self) -> Result<Vec<String>, HostError> {
        let filter = label_filter(&self.pod_id);
        let list = self.docker(["network", "ls", "--quiet", "--no-trunc", "--filter", &filter]);
        let listed = self.recorder.run(&list).await?;
        Ok(listed.stdout.split_whitespace().map(str::to_owned).collect())
    }

    pub async fn exists(&self) -> Result<bool, HostError> {
        Ok(!self.networks().await?.is_empty())
    }

    /// Creates the pod's network, with the subnet that belongs to its port: the port is unique on its host, and so is
    /// the subnet, without asking Docker for a free one (it has about thirty).
    pub async fn create(&self, port: i32) -> Result<(), HostError> {
        let subnet = self.pool.subnet_of(port);
        let create = self
            .docker(["network", "create", "--driver", "bridge", "--subnet", &subnet])
            .args(["--opt", &format!("com.docker.network.bridge.name={}", bridge_name(&self.pod_id))])
            .args(label_options(&self.pod_id, &self.installation))
            .arg(object_name(&self.pod_id))
            .label("🌐 Creating the network");
        self.recorder.run(&create).await.map(drop)
    }

    /// Whether the pod's container is in the pod's network. One that was removed and made anew has the old name and
    /// another id, and what was in the old one is in neither.
    pub async fn has_container(&self) -> Result<bool, HostError> {
        for network in self.networks().await? {
            if self.lists_container(&network).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts the pod's container, which must not run, into the pod's network. Docker starts none that still names a
    /// network that is gone, so it forgets that one first.
    pub async fn connect_container(&self) -> Result<(), HostError> {
        let name = object_name(&self.pod_id);
        if self.lists_container(&name).await? {
            self.recorder.run(&self.docker(["network", "disconnect", "--force", &name, &name])).await?;
        }
        let connect = self.docker(["network", "connect", &name, &name]).label("🌐 Connecting the container");
        self.recorder.run(&connect).await.map(drop)
    }

    /// Whether the pod's container names this network, by its name or its id.
    async fn lists_container(&self, network: &str) -> Result<bool, HostError> {
        let (pod, network) = (label_filter(&self.pod_id), format!("network={network}"));
        let list = ["container", "ls", "--all", "--quiet", "--filter", &pod, "--filter", &network];
        Ok(!self.recorder.run(&self.docker(list)).await?.stdout.trim().is_empty())
    }

    /// Removes every network of the pod. True where there was one.
    pub async fn remove(&self) -> Result<bool, HostError> {
        let networks = self.networks().await?;
        if networks.is_empty() {
            return Ok(false);
        }
        let remove = self.docker(["network", "rm"]).args(networks).label("🗑️ Removing the network");
        self.recorder.run(&remove).await?;
        Ok(true)
    }

    /// The TCP ports that somebody on the host listens on, from the kernel itself: no tool has to be there.
    pub async fn listening_ports(&self) -> Result<Vec<i32>, HostError> {
        let tables = self.recorder.look(&Command::new("cat").args(["/proc/net/tcp", "/proc/net/tcp6"])).await?;
        Ok(parse_listening_ports(&tables.stdout))
    }
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
    fn the_kernel_knows_who_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = i32::from(listener.local_addr().unwrap().port());
        let tables = || std::fs::read_to_string("/proc/net/tcp").unwrap();
        assert!(parse_listening_ports(&tables()).contains(&port));
        drop(listener);
        assert!(!parse_listening_ports(&tables()).contains(&port));
    }
}
