//! What a host holds, in one listing. A listing that is cut short, or to which Docker did not contribute, is an error.

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{
    docker::Limits,
    remote::{Command, ConnectionError, Host, Policy, Ran, command::docker_words},
};

const SCRIPT: &str = include_str!("inventory.sh");
const TIMEOUT: Duration = Duration::from_mins(2);

/// Who a thing on a host belongs to, as its labels say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Labelled {
    /// Docker's id of it; the name, for a volume.
    pub key: String,
    pub name: String,
    #[serde(rename = "pod")]
    pub pod_id: String,
    /// Empty or missing where it was made by hand, or before there were installations.
    pub installation: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Container {
    #[serde(flatten)]
    pub labelled: Labelled,
    /// Docker's word: `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub state: String,
    pub exit_code: i32,
    pub started_at: String,
    nano_cpus: i64,
    memory: i64,
    /// By the port in the container, such as `80/tcp`.
    bindings: Option<HashMap<String, Option<Vec<Binding>>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Binding {
    #[serde(rename = "HostPort")]
    port: String,
}

impl Container {
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }

    pub fn limits(&self) -> Limits {
        Limits::new(self.nano_cpus, self.memory)
    }

    /// Whether it publishes one of its ports on this port of the host.
    pub fn publishes(&self, port: i32) -> bool {
        let bindings = self.bindings.iter().flatten().flat_map(|(_, bindings)| bindings.iter().flatten());
        bindings.into_iter().any(|binding| binding.port.parse() == Ok(port))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FenceFile {
    /// Its name: the pod's id.
    pub key: String,
    /// The last lease that ran a command.
    pub lease: i64,
    /// How long ago that was.
    pub idle_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Network(Labelled),
    Volume(Labelled),
    Container(Container),
    Fence(FenceFile),
    Port(i32),
    Docker(serde::de::IgnoredAny),
    End,
}

/// Everything of ours on a host, and the ports that any program listens on there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inventory {
    pub containers: Vec<Container>,
    pub networks: Vec<Labelled>,
    pub volumes: Vec<Labelled>,
    pub fences: Vec<FenceFile>,
    pub listening: Vec<i32>,
}

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(
        "what is on the host could not be listed as a whole ({0}); nothing was changed. See `pinacle-worker check`"
    )]
    NotWhole(String),
}

impl Inventory {
    pub async fn take(host: &Host, cancel: &CancellationToken) -> Result<Self, InventoryError> {
        let docker = docker_words(host.docker_needs_sudo().await?);
        let list = Command::new("sh").args(["-c", SCRIPT, "sh"]).args(docker.iter().copied()).timeout(TIMEOUT);
        let Ran { outcome, output } = host.run(&list, Policy::Plain, cancel).await?;
        if !outcome.success() {
            return Err(InventoryError::NotWhole(format!("the listing {outcome}: {}", output.stderr_head())));
        }
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    pub(crate) fn parse(lines: &str) -> Result<Self, InventoryError> {
        let (mut inventory, mut docker, mut ended) = (Self::default(), false, false);
        for line in lines.lines() {
            let line = serde_json::from_str(line).map_err(|error| {
                // The error quotes the whole line, which may be long.
                let error = error.to_string();
                InventoryError::NotWhole(format!("{:?} is not a line of a listing: {}", quoted(line), quoted(&error)))
            })?;
            match line {
                Line::Network(network) => inventory.networks.push(network),
                Line::Volume(volume) => inventory.volumes.push(volume),
                Line::Container(container) => inventory.containers.push(container),
                Line::Fence(fence) => inventory.fences.push(fence),
                Line::Port(port) => inventory.listening.push(port),
                Line::Docker(_) => docker = true,
                Line::End => ended = true,
            }
        }
        if docker && ended { Ok(inventory) } else { Err(InventoryError::NotWhole("it was cut short".to_owned())) }
    }

    /// The ids of the pods that labels and fence files name.
    pub fn pod_ids(&self) -> Vec<String> {
        let containers = self.containers.iter().map(|container| &container.labelled);
        let labelled = containers.chain(&self.networks).chain(&self.volumes).map(|thing| thing.pod_id.clone());
        labelled.chain(self.fences.iter().map(|fence| fence.key.clone())).collect()
    }
}

/// The beginning of a text, for a sentence.
fn quoted(text: &str) -> &str {
    const QUOTED: usize = 300;
    &text[..text.floor_char_boundary(QUOTED)]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn parse(lines: &[&str]) -> Inventory {
        let all = [lines, &[r#"{"docker":"20.10"}"#, r#""end""#]].concat();
        Inventory::parse(&all.join("\n")).expect("a whole listing")
    }

    #[test]
    fn a_listing_is_read_line_by_line() {
        let inventory = parse(&[
            r#"{"container":{"key":"c1","name":"pinacle-pod-pod_a","state":"running","exit_code":0,"started_at":"2026-01-01T00:00:00Z","nano_cpus":500000000,"memory":1073741824,
                "bindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"30001"}]},"pod":"pod_a","installation":"i"}}"#
                .replace('\n', "")
                .as_str(),
            r#"{"fence":{"key":"pod_b","lease":7,"idle_seconds":3}}"#,
            r#"{"port":30001}"#,
        ]);
        let container = &inventory.containers[0];
        assert!(container.is_running() && container.publishes(30001) && !container.publishes(30002));
        assert_eq!(inventory.pod_ids(), ["pod_a", "pod_b"]);
        assert_eq!((inventory.fences[0].lease, &*inventory.listening), (7, &[30001][..]));
    }

    #[test]
    fn a_listing_that_is_cut_short_is_none() {
        let whole = ["{\"docker\":\"20.10\"}", "\"end\""];
        assert!(Inventory::parse(&whole.join("\n")).is_ok());
        for part in [&whole[..1], &whole[1..], &[]] {
            assert!(Inventory::parse(&part.join("\n")).is_err(), "{part:?}");
        }
        assert!(Inventory::parse("{\"volume\":{\"key\":\"v\"").is_err());
    }

    #[test]
    fn what_is_no_part_of_a_listing_is_said_in_a_sentence() {
        let error = Inventory::parse(&format!("{{\"{}\":1}}", "é".repeat(1_000_000))).expect_err("no kind of thing");
        assert!(error.to_string().len() < 1000, "{} bytes", error.to_string().len());
    }
}
