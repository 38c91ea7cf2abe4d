//! Pod templates: named configs that fill in what a pod's own leaves out. One data file each.

use serde::Deserialize;

use super::{
    config::PodConfig,
    text::{EnvName, ProcessName},
};

/// What comes with the worker; a new one is a file, and its line here.
pub(super) const BUILT_IN: [&str; 6] = [
    include_str!("templates/custom.toml"),
    include_str!("templates/mastra-ai.toml"),
    include_str!("templates/nextjs.toml"),
    include_str!("templates/nodejs.toml"),
    include_str!("templates/python.toml"),
    include_str!("templates/vite.toml"),
];

const DEPENDENCIES: &str = include_str!("templates/dependencies.sh");

/// What a template is for, where it installs what a project's own files ask for: all do it by one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dependencies {
    Node,
    Python,
}

impl Dependencies {
    fn kind(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    /// The command for the project's folder.
    #[must_use]
    pub fn command(self) -> String {
        format!("kind={}\n{DEPENDENCIES}", self.kind())
    }

    /// What a person is shown of it.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Node => "pinacle: install what package.json asks for",
            Self::Python => "pinacle: install what the Python project asks for",
        }
    }

    /// What the command is marked as done by. Not its text: a newer worker's is no reason to install again.
    #[must_use]
    pub fn mark(self) -> &'static str {
        self.kind()
    }
}

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
    /// What is installed after the config's own `install`, and goes with it where a pod's config has another.
    pub(super) dependencies: Option<Dependencies>,
    /// The same as may stand in `pods.config`, in TOML.
    #[serde(default)]
    pub(super) config: PodConfig,
}
