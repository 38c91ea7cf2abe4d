//! The volumes of a pod, and what of its disk is limited.

use super::{
    names::{home_name, label_options, labels},
    quota::DiskQuota,
    runtime::ContainerRuntime,
};
use crate::{
    podspec::{HOME, Tier},
    remote::Command,
    transcript::HostError,
};

impl ContainerRuntime {
    /// What of a pod's disk this host can limit. It is asked once in some minutes.
    pub(super) async fn quota(&self) -> Result<DiskQuota, HostError> {
        const FACT: &str = "disk quota";
        let facts = &self.recorder.host.facts;
        if let Some(quota) = facts.get(FACT).map(|value| DiskQuota::parse(&value)) {
            return Ok(quota);
        }
        let info = self
            .recorder
            .run(&Command::docker(self.sudo).args(["info", "--format", "{{.Driver}} {{.DockerRootDir}}"]))
            .await?;
        let (driver, folder) = info.stdout.trim().split_once(' ').unwrap_or_default();
        let find = ["--noheadings", "--output", "FSTYPE,OPTIONS", "--target", folder];
        let mount = self.recorder.run_unchecked(&Command::new("findmnt").args(find).sudo(self.sudo)).await?;
        let value = format!("{driver} {}", mount.stdout);
        facts.put(FACT.to_owned(), value.clone());
        Ok(DiskQuota::parse(&value))
    }

    pub(super) async fn volume_creation(&self, tier: &Tier) -> Result<Command, HostError> {
        let labels = label_options(&self.pod_id, &self.installation);
        let mut create =
            Command::docker(self.sudo).args(["volume", "create"]).args(labels).label("💾 Creating the volume");
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

    /// The home of the user. Docker makes its volume with the container, from what the image has there, unless it
    /// outlived another.
    pub(super) async fn home_mount(&self, tier: &Tier) -> Result<String, HostError> {
        let mut options = vec![format!("type=volume,source={},target={HOME}", home_name(&self.pod_id))];
        options.extend(labels(&self.pod_id, &self.installation).map(|label| format!("volume-label={label}")));
        options.extend(self.quota().await?.of_home(tier).map(|limit| format!("volume-opt=size={limit}MB")));
        Ok(options.join(","))
    }

    /// Removes every volume of the pod. True where there was one.
    pub async fn remove_volumes(&self) -> Result<bool, HostError> {
        let volumes = self.found().await?.volumes;
        if volumes.is_empty() {
            return Ok(false);
        }
        let remove = Command::docker(self.sudo).args(["volume", "rm"]).args(volumes).label("🗑️ Removing the volumes");
        self.recorder.run(&remove).await?;
        self.update(|found| found.volumes.clear()).await;
        Ok(true)
    }
}
