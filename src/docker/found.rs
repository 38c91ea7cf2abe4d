//! What of a pod is on its host: seen in one look, and kept up by what an execution does there itself.

use serde::Deserialize;

use super::{Limits, names::is_home};
use crate::remote::InnerGuard;

/// The label by which an image says that it brings the guard, and the version that this worker speaks to.
const GUARD_LABEL: &str = "pinacle.guard";
const GUARD_VERSION: &str = "1";

/// A pod's containers, networks and volumes. There is more than one of a kind only where a person made it by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub containers: Vec<Container>,
    /// Their ids.
    pub networks: Vec<String>,
    /// Their names.
    pub volumes: Vec<String>,
    /// This execution has made the volume of the projects.
    pub volume_is_new: bool,
}

/// A pod's container, as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub running: bool,
    /// When it was last started, by the host's clock, as Docker writes it.
    pub started_at: String,
    pub guard: InnerGuard,
    pub limits: Limits,
    endpoint: Option<Endpoint>,
}

/// A container's end of the pod's own network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    /// Empty until the container is first started.
    #[serde(rename = "NetworkID")]
    network_id: String,
    /// Empty while it does not run.
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(default)]
    gateway: String,
}

impl Container {
    /// One that was just made, and not started yet.
    pub(super) fn new(id: &str, limits: Limits) -> Self {
        Self {
            id: id.to_owned(),
            running: false,
            started_at: String::new(),
            guard: InnerGuard::Script,
            limits,
            endpoint: Some(Endpoint { network_id: String::new(), ip_address: String::new(), gateway: String::new() }),
        }
    }

    /// Its address in the pod's network, while it runs.
    pub fn address(&self) -> Option<&str> {
        self.endpoint.as_ref().map(|endpoint| endpoint.ip_address.as_str()).filter(|address| !address.is_empty())
    }

    /// The host's own address in the pod's network, while it runs.
    pub fn gateway(&self) -> Option<&str> {
        self.endpoint.as_ref().map(|endpoint| endpoint.gateway.as_str()).filter(|address| !address.is_empty())
    }

    /// Whether it names a network of the pod's name. That may be one which is gone: a network that was removed and made
    /// anew has the old name and another id.
    pub fn names_network(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Whether it is in one of these networks, or will be once it starts.
    pub fn is_in(&self, networks: &[String]) -> bool {
        self.endpoint
            .as_ref()
            .is_some_and(|Endpoint { network_id, .. }| network_id.is_empty() || networks.contains(network_id))
    }
}

/// Docker's format for a container of the pod with this name, which [`Found::parse`] reads.
pub(super) fn container_format(name: &str) -> String {
    format!(
        "container {{{{.Id}}}} {{{{.State.Status}}}} {{{{.State.StartedAt}}}} \
         {{{{.HostConfig.NanoCpus}}}} {{{{.HostConfig.Memory}}}} \
         {{{{json (index .Config.Labels \"{GUARD_LABEL}\")}}}} {{{{json (index .NetworkSettings.Networks \"{name}\")}}}}"
    )
}

impl Found {
    /// Reads what the look prints, a line each.
    pub(crate) fn parse(listed: &str) -> Self {
        let mut found = Self::default();
        for line in listed.lines() {
            match line.split_once(' ') {
                Some(("container", rest)) => found.containers.extend(parse_container(rest)),
                Some(("network", id)) => found.networks.push(id.to_owned()),
                Some(("volume", name)) => found.volumes.push(name.to_owned()),
                _ => {}
            }
        }
        found
    }

    pub(super) fn add_volume(&mut self, name: &str) {
        self.volumes.push(name.to_owned());
        self.volume_is_new = true;
    }

    /// Whether the volume of the projects is there.
    pub fn has_workspace(&self) -> bool {
        self.volumes.iter().any(|volume| !is_home(volume))
    }

    /// Whether the volume of the home is there. It comes with the container; older workers did not make it.
    pub fn has_home(&self) -> bool {
        self.volumes.iter().any(|volume| is_home(volume))
    }

    pub fn container(&self) -> Option<&Container> {
        self.containers.first()
    }
}

fn parse_container(line: &str) -> Option<Container> {
    let mut fields = line.splitn(7, ' ');
    let (id, status, started_at) = (fields.next()?, fields.next()?, fields.next()?);
    let (nano_cpus, memory) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (guard, endpoint) = (fields.next()?, fields.next()?);
    let has_program = guard.trim_matches('"') == GUARD_VERSION;
    Some(Container {
        id: id.to_owned(),
        running: status == "running",
        started_at: started_at.to_owned(),
        guard: if has_program { InnerGuard::Program } else { InnerGuard::Script },
        limits: Limits::new(nano_cpus, memory),
        endpoint: serde_json::from_str(endpoint).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_read_whole() {
        let found = Found::parse(concat!(
            "network n1\n",
            "container c1 running 2026-01-02T03:04:05.6Z 500000000 1073741824 \"1\" {\"NetworkID\":\"n1\",\"IPAddress\":\"10.200.0.2\"}\n",
            "volume pinacle-pod-x\n",
            "volume pinacle-home-x\n",
        ));
        let container = found.container().unwrap();
        assert_eq!((container.running, container.guard), (true, InnerGuard::Program));
        assert_eq!(container.address(), Some("10.200.0.2"));
        assert_eq!(container.limits, Limits::from_reserved(0.5, 1024));
        assert!(container.is_in(&found.networks) && !container.is_in(&["n2".to_owned()]));
        assert!(found.has_workspace() && found.has_home());
        assert_eq!(found.networks, ["n1"]);
        assert_eq!(found.volumes, ["pinacle-pod-x", "pinacle-home-x"]);
    }

    #[test]
    fn each_of_the_two_volumes_is_known_by_its_name() {
        let found = Found::parse("volume pinacle-home-x");
        assert!(found.has_home() && !found.has_workspace());
        let found = Found::parse("volume pinacle-pod-x-home");
        assert!(found.has_workspace() && !found.has_home(), "the projects of the pod x-home");
    }

    #[test]
    fn a_container_is_in_a_network_by_its_id_and_one_that_never_ran_by_its_name() {
        let line =
            |guard: &str, endpoint: &str| format!("container c1 exited 0001-01-01T00:00:00Z 0 0 {guard} {endpoint}");
        let container = |endpoint: &str| Found::parse(&line("null", endpoint)).containers.remove(0);
        let networks = ["new".to_owned()];
        let lost = container(r#"{"NetworkID":"old","IPAddress":""}"#);
        assert!(lost.names_network() && !lost.is_in(&networks) && lost.address().is_none());
        let none = container("null");
        assert!(!none.names_network() && !none.is_in(&networks));
        assert!(container(r#"{"NetworkID":"","IPAddress":""}"#).is_in(&networks));
        assert_eq!(none.guard, InnerGuard::Script);
    }
}
