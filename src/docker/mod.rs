//! `ContainerRuntime`: a pod's container, volumes and image, by Docker's command line with gVisor beneath.
//!
//! Whether something is there is asked by our label, never by a part of a name and never by the words of an error:
//! a listing that is empty is an answer, a listing that fails is trouble.

mod found;
mod limits;
pub mod names;
pub mod network;
pub mod quota;
mod subnet;

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::{
    podspec::{HOME, Tier, WORKSPACE},
    remote::{Command, InnerGuard, command, script, script_for},
    transcript::{Finished, HostError, Recorder},
};
use found::container_format;
pub use found::{Container, Found};
pub use limits::Limits;
use names::{home_name, label_filter, label_options, labels, object_name};
pub use network::NetworkManager;
use quota::DiskQuota;
pub use subnet::{InvalidSubnetPool, SubnetPool};

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
/// After which a pod's proxy is looked at from inside, whatever the host sees of it.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(5);
/// An image of some gigabytes over a slow line.
const PULL_TIMEOUT: Duration = Duration::from_mins(15);

const LOOK: &str = include_str!("scripts/look.sh");
const ANSWERS: &str = include_str!("scripts/answers.bash");

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
    /// The name of all that is the pod's on this host, but for the volume of its home.
    name: String,
    /// `None` until somebody has looked.
    found: Mutex<Option<Found>>,
}

impl ContainerRuntime {
    pub fn new(recorder: Recorder, sudo: bool, pod_id: &str, installation: &Arc<str>) -> Self {
        Self {
            recorder,
            sudo,
            pod_id: pod_id.to_owned(),
            installation: Arc::clone(installation),
            name: object_name(pod_id),
            found: Mutex::default(),
        }
    }

    fn docker<const N: usize>(&self, args: [&str; N]) -> Command {
        Command::new("docker").args(args).sudo(self.sudo)
    }

    /// Runs a command inside the pod.
    pub async fn exec(&self, command: Command) -> Result<Finished, HostError> {
        let guard = self.found().await?.container().map_or(InnerGuard::Script, |container| container.guard);
        let container = command::Container { name: self.name.clone(), guard };
        self.recorder.run(&command.inside(container).sudo(self.sudo)).await
    }

    /// What of the pod is on the host: by one look, the first time that it is asked for.
    pub async fn found(&self) -> Result<Found, HostError> {
        let mut known = self.found.lock().await;
        if let Some(found) = &*known {
            return Ok(found.clone());
        }
        let look = script(LOOK, [&label_filter(&self.pod_id), &container_format(&self.name)])
            .args(command::docker_words(self.sudo).iter().copied())
            .label("🔎 Looking at what there is");
        let found = Found::parse(&self.recorder.run(&look).await?.stdout);
        Ok(known.insert(found).clone())
    }

    /// Nothing of the pod is on the host yet, so nobody need look.
    pub async fn expect_nothing(&self) {
        self.found.lock().await.get_or_insert_default();
    }

    async fn update(&self, change: impl FnOnce(&mut Found)) {
        if let Some(found) = &mut *self.found.lock().await {
            change(found);
        }
    }

    /// The image, where it is there. That is remembered for some minutes: [`Self::create_container`] would notice.
    pub async fn image(&self, image: &str) -> Result<Option<Image>, HostError> {
        const VOLUMES: &str = "{{range $path, $_ := .Config.Volumes}}{{println $path}}{{end}}";
        let (facts, fact) = (&self.recorder.host.facts, image_fact(image));
        if let Some(volumes) = facts.get(&fact) {
            return Ok(Some(Image::with_volumes(&volumes)));
        }
        let looked =
            self.recorder.run_unchecked(&self.docker(["image", "inspect", "--format", VOLUMES, image])).await?;
        if !looked.outcome.success() {
            return Ok(None);
        }
        let found = Image::with_volumes(&looked.stdout);
        facts.put(fact, looked.stdout);
        Ok(Some(found))
    }

    pub async fn pull_image(&self, image: &str) -> Result<(), HostError> {
        let pull =
            self.docker(["image", "pull", "--quiet", image]).timeout(PULL_TIMEOUT).label("📥 Fetching the image");
        self.recorder.run(&pull).await.map(drop)
    }

    /// What of a pod's disk this host can limit. It is asked once in some minutes.
    async fn quota(&self) -> Result<DiskQuota, HostError> {
        const FACT: &str = "disk quota";
        let facts = &self.recorder.host.facts;
        if let Some(quota) = facts.get(FACT).map(|told| DiskQuota::told(&told)) {
            return Ok(quota);
        }
        let info = self.recorder.run(&self.docker(["info", "--format", "{{.Driver}} {{.DockerRootDir}}"])).await?;
        let (driver, folder) = info.stdout.trim().split_once(' ').unwrap_or_default();
        let find = ["--noheadings", "--output", "FSTYPE,OPTIONS", "--target", folder];
        let mount = self.recorder.run_unchecked(&Command::new("findmnt").args(find).sudo(self.sudo)).await?;
        let told = format!("{driver} {}", mount.stdout);
        facts.put(FACT.to_owned(), told.clone());
        Ok(DiskQuota::told(&told))
    }

    async fn volume_creation(&self, tier: &Tier) -> Result<Command, HostError> {
        let labels = label_options(&self.pod_id, &self.installation);
        let mut create = self.docker(["volume", "create"]).args(labels).label("💾 Creating the volume");
        if let Some(limit) = self.quota().await?.of_workspace(tier) {
            create = create.args(["--opt", &format!("size={limit}MB")]);
        }
        Ok(create.arg(&self.name))
    }

    pub async fn create_volume(&self, tier: &Tier) -> Result<(), HostError> {
        self.recorder.run(&self.volume_creation(tier).await?).await?;
        self.update(|found| found.add_volume(&self.name)).await;
        Ok(())
    }

    /// Creates the network by `creation`, and the volume meanwhile where there is none: neither needs the other.
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

    /// The home of the user. Docker makes its volume with the container, from what the image has there, unless it
    /// outlived another.
    async fn home_mount(&self, tier: &Tier) -> Result<String, HostError> {
        let mut options = vec![format!("type=volume,source={},target={HOME}", home_name(&self.pod_id))];
        options.extend(labels(&self.pod_id, &self.installation).map(|label| format!("volume-label={label}")));
        options.extend(self.quota().await?.of_home(tier).map(|limit| format!("volume-opt=size={limit}MB")));
        Ok(options.join(","))
    }

    /// Creates the container and returns its id.
    pub async fn create_container(&self, spec: &ContainerSpec<'_>) -> Result<String, HostError> {
        let limits = Limits::of(spec.tier);
        let mut create = self
            .docker(["container", "create", "--runtime", RUNTIME, "--name", &self.name, "--hostname", spec.hostname])
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
        let update = self.docker(["container", "update"]).args(limits.options()).arg(&self.name);
        self.recorder.run(&update.label("📐 Resizing the container")).await?;
        self.update(|found| found.containers.iter_mut().for_each(|container| container.limits = limits)).await;
        Ok(())
    }

    /// Starts the container, and returns it as it runs then.
    pub async fn start(&self) -> Result<Container, HostError> {
        let inspect = self.docker(["container", "inspect", "--format", &container_format(&self.name), &self.name]);
        let start = self.docker(["container", "start", &self.name]).timeout(CREATE_TIMEOUT).before(&inspect)?;
        let start = start.label("🚀 Starting the container");
        let printed = self.recorder.run(&start).await?.stdout;
        let container =
            Found::parse(&printed).containers.pop().ok_or_else(|| self.recorder.unreadable(&start, &printed))?;
        self.update(|found| found.containers = vec![container.clone()]).await;
        Ok(container)
    }

    /// Waits until the pod answers on its port, for as long as that is likely to help: asked from the host, the pod has
    /// its whole processor to start with. Whatever answers may be the user's, so it is no proof of anything.
    pub async fn answers(&self, bind_address: &str, port: i32) -> Result<(), HostError> {
        let address = match bind_address {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            address => address,
        };
        let wait = script_for("bash", ANSWERS, [address, &port.to_string()]).timeout(ANSWERS_TIMEOUT);
        self.recorder.run_unchecked(&wait.label("🔀 Waiting for the pod's proxy")).await.map(drop)
    }

    pub async fn stop(&self) -> Result<(), HostError> {
        let stop = self.docker(["container", "stop", &self.name]).timeout(STOP_TIMEOUT);
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
        let remove = self.docker(["container", "rm", "--force", "--volumes"]).args(ids).timeout(STOP_TIMEOUT);
        self.recorder.run(&remove.label("🗑️ Removing the container")).await?;
        self.update(|found| found.containers.clear()).await;
        Ok(true)
    }

    /// Removes every network of the pod. True where there was one.
    pub async fn remove_networks(&self) -> Result<bool, HostError> {
        let networks = self.found().await?.networks;
        if networks.is_empty() {
            return Ok(false);
        }
        let remove = self.docker(["network", "rm"]).args(networks).label("🗑️ Removing the network");
        self.recorder.run(&remove).await?;
        self.update(|found| found.networks.clear()).await;
        Ok(true)
    }

    /// Removes every volume of the pod. True where there was one.
    pub async fn remove_volumes(&self) -> Result<bool, HostError> {
        let volumes = self.found().await?.volumes;
        if volumes.is_empty() {
            return Ok(false);
        }
        let remove = self.docker(["volume", "rm"]).args(volumes).label("🗑️ Removing the volumes");
        self.recorder.run(&remove).await?;
        self.update(|found| found.volumes.clear()).await;
        Ok(true)
    }

    /// Removes the pod's fence file: no command of this pod may follow.
    pub async fn remove_fence(&self) -> Result<(), HostError> {
        self.recorder.run(&Command::new("true").closes_fence()).await.map(drop)
    }

    /// Why Docker commands fail on this host, where the reason is the host and not the command.
    pub async fn diagnose(&self) -> Result<Diagnosis, HostError> {
        let info = self.recorder.run_unchecked(&self.docker(["info", "--format", "{{json .Runtimes}}"])).await?;
        if !info.outcome.success() {
            return Ok(Diagnosis::DockerIsDown);
        }
        let runtimes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(info.stdout.trim()).unwrap_or_default();
        Ok(if runtimes.contains_key(RUNTIME) { Diagnosis::Healthy } else { Diagnosis::NoGvisor })
    }
}

/// An image on the host.
#[derive(Debug)]
pub struct Image {
    /// The folders that Docker would make volumes for, beside the pod's own and without its limit.
    pub volumes: Vec<String>,
}

impl Image {
    fn with_volumes(lines: &str) -> Self {
        Self { volumes: lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect() }
    }
}

/// What is remembered of a host's image by.
pub fn image_fact(image: &str) -> String {
    format!("image {image}")
}

/// What is wrong with a pod host's Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagnosis {
    Healthy,
    DockerIsDown,
    NoGvisor,
}
