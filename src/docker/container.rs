//! The container of a pod: what it is made from, its start and its end.

use std::time::Duration;

use super::{
    Container,
    found::{Found, container_format},
    image::image_fact,
    limits::Limits,
    names::{home_name, label_options},
    runtime::{ContainerRuntime, RUNTIME},
};
use crate::{
    podspec::{Tier, WORKSPACE},
    remote::{Command, script_for},
    transcript::HostError,
};

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
/// After this the pod's proxy is probed from inside, whatever the host has seen.
const RESPONDS_TIMEOUT: Duration = Duration::from_secs(5);

const RESPONDS: &str = include_str!("scripts/responds.bash");

/// What a container is made from.
pub struct ContainerSpec<'a> {
    pub image: &'a str,
    pub hostname: &'a str,
    pub tier: &'a Tier,
    pub bind_address: &'a str,
    pub port: i32,
}

impl ContainerRuntime {
    /// Creates the container and returns its id.
    pub async fn create_container(&self, spec: &ContainerSpec<'_>) -> Result<String, HostError> {
        let limits = Limits::of(spec.tier);
        let mut create = Command::docker(self.sudo)
            .args(["container", "create", "--runtime", RUNTIME, "--name", &self.name, "--hostname", spec.hostname])
            .args(label_options(&self.pod_id, &self.installation))
            .args(["--network", &self.name])
            .args(["--publish", &format!("{}:{}:80/tcp", spec.bind_address, spec.port)])
            .args(["--mount", &format!("type=volume,source={},target={WORKSPACE}", self.name)])
            .args(["--mount", &self.home_mount(spec.tier).await?])
            .args(limits.options())
            // Browsers and databases want more than Docker's 64 MiB; what is in there counts as the pod's memory.
            .args(["--shm-size", &format!("{}m", spec.tier.memory_mb)])
            .args(["--pids-limit", &PIDS_LIMIT.to_string(), "--restart", "unless-stopped"])
            .args(["--stop-timeout", &STOP_GRACE_SECONDS.to_string(), "--log-driver", "json-file"])
            .arg("--no-healthcheck")
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
        let created = match self.recorder.run(&create.args(["--pull", "never", spec.image])).await {
            Ok(created) => created.stdout,
            Err(error) => {
                self.recorder.host.facts.forget(&image_fact(spec.image));
                // Whether the home was made before it failed, only another look says.
                *self.found.lock().await = None;
                return Err(error);
            }
        };
        let id = created.trim();
        self.update(|found| {
            found.containers.push(Container::new(id, limits));
            if !found.has_home() {
                found.volumes.push(home_name(&self.pod_id));
            }
        })
        .await;
        Ok(id.to_owned())
    }

    /// Changes what the container, which must not run, may use.
    pub async fn resize_container(&self, limits: Limits) -> Result<(), HostError> {
        let update = Command::docker(self.sudo).args(["container", "update"]).args(limits.options()).arg(&self.name);
        self.recorder.run(&update.label("📐 Resizing the container")).await?;
        self.update(|found| found.containers.iter_mut().for_each(|container| container.limits = limits)).await;
        Ok(())
    }

    /// Starts the container, and returns it as it runs then.
    pub async fn start(&self) -> Result<Container, HostError> {
        let inspect = Command::docker(self.sudo).args([
            "container",
            "inspect",
            "--format",
            &container_format(&self.name),
            &self.name,
        ]);
        let start = Command::docker(self.sudo)
            .args(["container", "start", &self.name])
            .timeout(CREATE_TIMEOUT)
            .before(&inspect)?;
        let start = start.label("🚀 Starting the container");
        let printed = self.recorder.run(&start).await?.stdout;
        let container =
            Found::parse(&printed).containers.pop().ok_or_else(|| self.recorder.unreadable(&start, &printed))?;
        self.update(|found| found.containers = vec![container.clone()]).await;
        Ok(container)
    }

    /// Waits until the pod responds on its port, for as long as that is likely to help: a probe from the host leaves the
    /// pod its whole processor. What responds may be the user's, so this proves nothing.
    pub async fn wait_for_response(&self, bind_address: &str, port: i32) -> Result<(), HostError> {
        let address = match bind_address {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            address => address,
        };
        let wait = script_for("bash", RESPONDS, [address, &port.to_string()]).timeout(RESPONDS_TIMEOUT);
        self.recorder.run_unchecked(&wait.label("🔀 Waiting for the pod's proxy")).await.map(drop)
    }

    pub async fn stop(&self) -> Result<(), HostError> {
        let stop = Command::docker(self.sudo).args(["container", "stop", &self.name]).timeout(STOP_TIMEOUT);
        self.recorder.run(&stop.label("🛑 Stopping the container")).await?;
        self.update(|found| found.containers.iter_mut().for_each(|container| container.running = false)).await;
        Ok(())
    }

    /// Removes every container of the pod. True where there was one.
    pub async fn remove_containers(&self) -> Result<bool, HostError> {
        let containers = self.found().await?.containers;
        if containers.is_empty() {
            return Ok(false);
        }
        let ids = containers.into_iter().map(|container| container.id);
        let remove = Command::docker(self.sudo)
            .args(["container", "rm", "--force", "--volumes"])
            .args(ids)
            .timeout(STOP_TIMEOUT);
        self.recorder.run(&remove.label("🗑️ Removing the container")).await?;
        self.update(|found| found.containers.clear()).await;
        Ok(true)
    }
}
