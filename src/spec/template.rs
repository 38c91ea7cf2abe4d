//! Pod templates: named configs that fill in what a pod's own leaves out. One data file each.

use serde::Deserialize;

use super::config::PodConfig;
use super::text::{EnvName, ProcessName};

/// What comes with the worker; a new one is a file, and its line here.
pub(super) const BUILT_IN: [&str; 6] = [
    include_str!("templates/custom.toml"),
    include_str!("templates/mastra-ai.toml"),
    include_str!("templates/nextjs.toml"),
    include_str!("templates/nodejs.toml"),
    include_str!("templates/python.toml"),
    include_str!("templates/vite.toml"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PodTemplate {
    pub(super) name: ProcessName,
    /// For people, in one line.
    #[serde(rename = "description")]
    _description: String,
    /// Variables that the pod must have, in its environment or as secrets.
    #[serde(default)]
    pub(super) required_environment: Vec<EnvName>,
    /// The same as may stand in `pods.config`, in TOML.
    #[serde(default)]
    pub(super) config: PodConfig,
}
