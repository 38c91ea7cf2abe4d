//! The image of a pod.

use std::time::Duration;

use super::runtime::ContainerRuntime;
use crate::{remote::Command, transcript::HostError};

/// An image of some gigabytes over a slow line.
const PULL_TIMEOUT: Duration = Duration::from_mins(15);

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

impl ContainerRuntime {
    /// The image, where it is there. That is remembered for some minutes: [`Self::create_container`] would notice.
    pub async fn image(&self, image: &str) -> Result<Option<Image>, HostError> {
        const VOLUMES: &str = "{{range $path, $_ := .Config.Volumes}}{{println $path}}{{end}}";
        let (facts, fact) = (&self.recorder.host.facts, image_fact(image));
        if let Some(volumes) = facts.get(&fact) {
            return Ok(Some(Image::with_volumes(&volumes)));
        }
        let looked = self
            .recorder
            .run_unchecked(&Command::docker(self.sudo).args(["image", "inspect", "--format", VOLUMES, image]))
            .await?;
        if !looked.outcome.success() {
            return Ok(None);
        }
        let found = Image::with_volumes(&looked.stdout);
        facts.put(fact, looked.stdout);
        Ok(Some(found))
    }

    pub async fn pull_image(&self, image: &str) -> Result<(), HostError> {
        let pull = Command::docker(self.sudo)
            .args(["image", "pull", "--quiet", image])
            .timeout(PULL_TIMEOUT)
            .label("📥 Fetching the image");
        self.recorder.run(&pull).await.map(drop)
    }
}
