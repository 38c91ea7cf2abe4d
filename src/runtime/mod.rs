//! `ContainerRuntime`: a pod's container, volume and image, by Docker's command line with gVisor beneath.
//!
//! Whether something is there is asked by our label, never by a part of a name and never by the words of an error:
//! a listing that is empty is an answer, a listing that fails is trouble.

pub mod names;
pub mod quota;
pub mod shell;

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::{
    host::{Command, Finished, HostError, Recorder},
    spec::{Tier, WORKSPACE},
};
use names::{label_filter, label_options, object_name};
use quota::DiskQuota;

/// The name that gVisor is registered with at the host's Docker.
pub const RUNTIME: &str = "runsc";

/// What nginx, apt and PostgreSQL need of root's rights inside the pod; all others are dropped.
const CAPABILITIES: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];
/// Processes and threads a pod may have: plenty for an editor and its language servers, too few for a fork bomb.
const PIDS_LIMIT: u32 = 4096;
/// What Docker keeps of a pod's own output (its init and nginx), so that no pod fills the host's disk with it.
const LOG_OPTIONS: [&str; 2] = ["max-size=10m", "max-file=3"];
/// How long a stopping pod has before it is killed, in seconds.
const STOP_GRACE_SECONDS: u32 = 10;

const CREATE_TIMEOUT: Duration = Duration::from_mins(2);
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
/// An image of some gigabytes over a slow line.
const PULL_TIMEOUT: Duration = Duration::from_mins(15);

/// A pod's container, as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub running: bool,
}

/// A container that was started.
#[derive(Debug)]
pub struct Started {
    /// By the host's clock, as Docker writes it.
    pub at: String,
    /// In the pod's own network.
    pub address: Option<String>,
}

/// What a container is made from.
pub struct ContainerSpec<'a> {
    pub image: &'a str,
    pub hostname: &'a str,
    pub tier: &'a Tier,
    pub bind_address: &'a str,
    pub port: i32,
}

pub struct ContainerRuntime {
    recorder: Recorder,
    sudo: bool,
    pod_id: String,
    installation: Arc<str>,
    /// The name of all that is the pod's on this host.
    name: String,
    quota: OnceCell<DiskQuota>,
}

#[derive(Deserialize)]
struct EndpointSettings {
    #[serde(rename = "IPAddress")]
    ip_address: String,
}

impl ContainerRuntime {
    pub fn new(recorder: Recorder, sudo: bool, pod_id: &str, installation: &Arc<str>) -> Self {
        Self {
            recorder,
            sudo,
            pod_id: pod_id.to_owned(),
            installation: Arc::clone(installation),
            name: object_name(pod_id),
            quota: OnceCell::new(),
        }
    }

    fn docker<const N: usize>(&self, args: [&str; N]) -> Command {
        Command::new("docker").args(args).sudo(self.sudo)
    }

    /// Runs a command inside the pod.
    pub async fn exec(&self, command: Command) -> Result<Finished, HostError> {
        self.recorder.run(&command.inside(&self.name).sudo(self.sudo)).await
    }

    /// The pod's container, if there is one.
    pub async fn container(&self) -> Result<Option<Container>, HostError> {
        let found = self.containers().await?;
        Ok(found.into_iter().next())
    }

    async fn containers(&self) -> Result<Vec<Container>, HostError> {
        let filter = label_filter(&self.pod_id);
        let list = ["container", "ls", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.ID}} {{.State}}"];
        let listed = self.recorder.run(&self.docker(list)).await?;
        Ok(listed
            .stdout
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(id, state)| Container { id: id.to_owned(), running: state == "running" })
            .collect())
    }

    pub async fn image_is_present(&self, image: &str) -> Result<bool, HostError> {
        let inspect = self.docker(["image", "inspect", "--format", "{{.Id}}", image]);
        Ok(self.recorder.look(&inspect).await?.outcome.success())
    }

    pub async fn pull_image(&self, image: &str) -> Result<(), HostError> {
        let pull =
            self.docker(["image", "pull", "--quiet", image]).timeout(PULL_TIMEOUT).label("📥 Fetching the image");
        self.recorder.run(&pull).await.map(drop)
    }

    pub async fn volume_exists(&self) -> Result<bool, HostError> {
        let filter = label_filter(&self.pod_id);
        let list = self.docker(["volume", "ls", "--quiet", "--filter", &filter]);
        Ok(!self.recorder.run(&list).await?.stdout.trim().is_empty())
    }

    /// What of a pod's disk this host can limit.
    async fn quota(&self) -> Result<DiskQuota, HostError> {
        let ask = async || {
            let info = self.recorder.run(&self.docker(["info", "--format", "{{.Driver}} {{.DockerRootDir}}"])).await?;
            let (driver, folder) = info.stdout.trim().split_once(' ').unwrap_or_default();
            let find = ["--noheadings", "--output", "FSTYPE,OPTIONS", "--target", folder];
            let mount = self.recorder.look(&Command::new("findmnt").args(find).sudo(self.sudo)).await?;
            Ok(DiskQuota::of(driver, &mount.stdout))
        };
        self.quota.get_or_try_init(ask).await.copied()
    }

    pub async fn create_volume(&self, tier: &Tier) -> Result<(), HostError> {
        let labels = label_options(&self.pod_id, &self.installation);
        let mut create = self.docker(["volume", "create"]).args(labels).label("💾 Creating the volume");
        if let Some(limit) = self.quota().await?.of_volume(tier) {
            create = create.args(["--opt", &format!("size={limit}MB")]);
        }
        self.recorder.run(&create.arg(&self.name)).await.map(drop)
    }

    /// Creates the container and returns its id.
    pub async fn create_container(&self, spec: &ContainerSpec<'_>) -> Result<String, HostError> {
        let memory = format!("{}m", spec.tier.memory_mb);
        let mut create = self
            .docker(["container", "create", "--runtime", RUNTIME, "--name", &self.name, "--hostname", spec.hostname])
            .args(label_options(&self.pod_id, &self.installation))
            .args(["--network", &self.name])
            .args(["--publish", &format!("{}:{}:80/tcp", spec.bind_address, spec.port)])
            .args(["--mount", &format!("type=volume,source={},target={WORKSPACE}", self.name)])
            .args(["--memory", &memory, "--memory-swap", &memory, "--cpus", &spec.tier.cpu_cores.to_string()])
            .args(["--pids-limit", &PIDS_LIMIT.to_string(), "--restart", "unless-stopped"])
            .args(["--stop-timeout", &STOP_GRACE_SECONDS.to_string(), "--log-driver", "json-file"])
            .label("📦 Creating the container")
            .timeout(CREATE_TIMEOUT);
        if let Some(limit) = self.quota().await?.of_root(spec.tier) {
            create = create.args(["--storage-opt", &format!("size={limit}MB")]);
        }
        for option in LOG_OPTIONS {
            create = create.args(["--log-opt", option]);
        }
        create = create.args(["--cap-drop", "ALL"]);
        for capability in CAPABILITIES {
            create = create.args(["--cap-add", capability]);
        }
        let created = self.recorder.run(&create.args(["--pull", "never", spec.image])).await?;
        Ok(created.stdout.trim().to_owned())
    }

    pub async fn start(&self) -> Result<(), HostError> {
        let start = self.docker(["container", "start", &self.name]).timeout(CREATE_TIMEOUT);
        self.recorder.run(&start.label("🚀 Starting the container")).await.map(drop)
    }

    /// When the container was started, and its address in the pod's own network.
    pub async fn started(&self) -> Result<Started, HostError> {
        let format =
            format!(r#"{{{{.State.StartedAt}}}} {{{{json (index .NetworkSettings.Networks "{}")}}}}"#, self.name);
        let inspect = self.docker(["container", "inspect", "--format", &format, &self.name]);
        let inspected = self.recorder.run(&inspect).await?;
        let (at, settings) = inspected.stdout.trim().split_once(' ').unwrap_or_default();
        let settings: Option<EndpointSettings> = serde_json::from_str(settings).unwrap_or_default();
        let address = settings.map(|settings| settings.ip_address).filter(|address| !address.is_empty());
        Ok(Started { at: at.to_owned(), address })
    }

    pub async fn stop(&self) -> Result<(), HostError> {
        let stop = self.docker(["container", "stop", &self.name]).timeout(STOP_TIMEOUT);
        self.recorder.run(&stop.label("🛑 Stopping the container")).await.map(drop)
    }

    /// Removes every container of the pod. True where there was one.
    pub async fn remove_containers(&self) -> Result<bool, HostError> {
        let ids: Vec<String> = self.containers().await?.into_iter().map(|container| container.id).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        let remove = self.docker(["container", "rm", "--force", "--volumes"]).args(ids).timeout(STOP_TIMEOUT);
        self.recorder.run(&remove.label("🗑️ Removing the container")).await?;
        Ok(true)
    }

    /// Removes every volume of the pod. True where there was one.
    pub async fn remove_volumes(&self) -> Result<bool, HostError> {
        let filter = label_filter(&self.pod_id);
        let list = self.docker(["volume", "ls", "--quiet", "--filter", &filter]);
        let listed = self.recorder.run(&list).await?.stdout;
        if listed.trim().is_empty() {
            return Ok(false);
        }
        let remove = self.docker(["volume", "rm"]).args(listed.split_whitespace()).label("🗑️ Removing the volume");
        self.recorder.run(&remove).await?;
        Ok(true)
    }

    /// Removes the pod's fence file: no command of this pod may follow.
    pub async fn forget_fence(&self) -> Result<(), HostError> {
        self.recorder.run(&Command::new("true").closes_fence()).await.map(drop)
    }

    /// Why Docker commands fail on this host, where the reason is the host and not the command.
    pub async fn diagnose(&self) -> Result<Diagnosis, HostError> {
        let info = self.recorder.look(&self.docker(["info", "--format", "{{json .Runtimes}}"])).await?;
        if !info.outcome.success() {
            return Ok(Diagnosis::DockerIsDown);
        }
        let runtimes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(info.stdout.trim()).unwrap_or_default();
        Ok(if runtimes.contains_key(RUNTIME) { Diagnosis::Fit } else { Diagnosis::NoGvisor })
    }
}

/// What is wrong with a pod host's Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagnosis {
    Fit,
    DockerIsDown,
    NoGvisor,
}
