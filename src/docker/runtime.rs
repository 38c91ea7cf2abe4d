//! What all that is done to a pod's things has in common: the recorder, the names, and what was found of the pod on its
//! host.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{
    found::{Found, container_format},
    names::{label_filter, object_name},
};
use crate::{
    remote::{Command, InnerGuard, command, script},
    transcript::{Finished, HostError, Recorder},
};

/// The name that gVisor is registered with at the host's Docker.
pub const RUNTIME: &str = "runsc";

const LOOK: &str = include_str!("scripts/look.sh");

/// A pod's things on its host: container, volumes, network and image.
pub struct ContainerRuntime {
    pub(super) recorder: Recorder,
    pub(super) sudo: bool,
    pub(super) pod_id: String,
    pub(super) installation: Arc<str>,
    /// The name of all that is the pod's on this host, but for the volume of its home.
    pub(super) name: String,
    /// `None` until the host was asked.
    pub(super) found: Mutex<Option<Found>>,
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

    /// Records that nothing of the pod is on the host yet, which saves the listing.
    pub async fn expect_nothing(&self) {
        self.found.lock().await.get_or_insert_default();
    }

    pub(super) async fn update(&self, change: impl FnOnce(&mut Found)) {
        if let Some(found) = &mut *self.found.lock().await {
            change(found);
        }
    }

    /// Removes the pod's fence file: no command of this pod may follow.
    pub async fn remove_fence(&self) -> Result<(), HostError> {
        self.recorder.run(&Command::new("true").closes_fence()).await.map(drop)
    }

    /// Why Docker commands fail on this host, where the reason is the host and not the command.
    pub async fn diagnose(&self) -> Result<Diagnosis, HostError> {
        let info = self
            .recorder
            .run_unchecked(&Command::docker(self.sudo).args(["info", "--format", "{{json .Runtimes}}"]))
            .await?;
        if !info.outcome.success() {
            return Ok(Diagnosis::DockerIsDown);
        }
        let runtimes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(info.stdout.trim()).unwrap_or_default();
        Ok(if runtimes.contains_key(RUNTIME) { Diagnosis::Healthy } else { Diagnosis::NoGvisor })
    }
}

/// What is wrong with a pod host's Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagnosis {
    Healthy,
    DockerIsDown,
    NoGvisor,
}
