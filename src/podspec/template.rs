//! Pod templates: named configs that fill in what a pod's own config leaves out. Each is one data file.

use serde::Deserialize;

use super::{
    config::PodConfig,
    text::{EnvName, ProcessName},
};

/// The built-in templates; a new one is a file, and its line here.
pub(super) const BUILT_IN: [&str; 6] = [
    include_str!("templates/custom.toml"),
    include_str!("templates/mastra-ai.toml"),
    include_str!("templates/nextjs.toml"),
    include_str!("templates/nodejs.toml"),
    include_str!("templates/python.toml"),
    include_str!("templates/vite.toml"),
];

const DEPENDENCIES: &str = include_str!("templates/dependencies.sh");

/// The kind of project whose dependencies a template installs. One script serves all kinds.
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

    /// The command that installs the dependencies; it runs in the project's folder.
    #[must_use]
    pub fn command(self) -> String {
        format!("kind={}\n{DEPENDENCIES}", self.kind())
    }

    /// The command as users see it.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Node => "pinacle: install what package.json asks for",
            Self::Python => "pinacle: install what the Python project asks for",
        }
    }

    /// The key that marks the command as done. It is not the command's text, because a newer worker's text must not
    /// cause another install.
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
    /// Installed after the config's own `install`; not installed where a pod's config has another `install`.
    pub(super) dependencies: Option<Dependencies>,
    /// The keys of `pods.config`, in TOML.
    #[serde(default)]
    pub(super) config: PodConfig,
}
