//! A config after all checks, with nothing left to decide.

use std::{collections::BTreeMap, fmt};

use super::{
    ServiceTemplate, config::Protocol, error::SpecError, repository::Repository, template::Dependencies, tier::Tier,
};
use crate::model::SECRET_NAMES;

/// The folder of the projects in the pod. It is a volume, so it outlives the container.
pub const WORKSPACE: &str = "/workspace";
/// The home of root, who runs everything that belongs to the user. It is a volume of its own.
pub const HOME: &str = "/root";

/// The fewest characters of such a value. Hiding a shorter one, such as `true`, would make the log unreadable.
const MIN_SECRET: usize = 8;

/// A pod as it is to be made, fully checked. Only [`resolve`](super::resolve) makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSpec {
    pub machine: MachineSpec,
    pub project: ProjectSpec,
}

/// What the pod's config alone decides, because it is needed before the repository is cloned.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineSpec {
    pub tier: Tier,
    /// A reference to an image; it begins with no dash and has no white space.
    pub base_image: String,
    pub repository: Option<Repository>,
}

/// What the repository's own file may fill in.
#[derive(Clone, PartialEq)]
pub struct ProjectSpec {
    /// No two on the same port.
    pub services: Vec<ServiceTemplate>,
    /// Variables that must be set, each with what needs it.
    pub(super) required_environment: Vec<(String, String)>,
    /// Names are words, values have no NUL.
    pub environment: BTreeMap<String, String>,
    /// No two have the same number and protocol, and none has the port of the pod's own nginx.
    pub ports: Vec<PortSpec>,
    /// Commands to run before the services start, in order.
    pub pre_start: Vec<String>,
    /// Commands to run when the pod is healthy, in order.
    pub post_start: Vec<String>,
    /// Commands that install what the project needs, in order.
    pub install: Vec<String>,
    /// Runs after `install` and installs what the project's own files ask for.
    pub dependencies: Option<Dependencies>,
    /// No two of the same name.
    pub processes: Vec<ProcessSpec>,
}

/// A port that something in the pod listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    pub name: String,
    /// The number inside the pod, from 1.
    pub internal: u16,
    pub protocol: Protocol,
}

/// A process that is kept running in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Small letters, digits, `-` and `_`, at most 32 of them.
    pub name: String,
    pub start_command: String,
    /// Where a browser finds it.
    pub url: Option<String>,
    /// A command that succeeds when the process is healthy.
    pub health_check: Option<String>,
}

impl MachineSpec {
    /// The folder in the pod that commands run in: the repository's, if there is one.
    #[must_use]
    pub fn project_dir(&self) -> String {
        match &self.repository {
            Some(repository) => format!("{WORKSPACE}/{}", repository.folder()),
            None => WORKSPACE.to_owned(),
        }
    }
}

impl ProjectSpec {
    /// Checks that each variable that the services and the template need is set, here or as a secret of the pod.
    /// `is_secret` says whether a secret has this name.
    ///
    /// # Errors
    ///
    /// The error names the first variable that is missing.
    pub fn check_environment(&self, is_secret: impl Fn(&str) -> bool) -> Result<(), SpecError> {
        let is_set = |name: &str| self.environment.get(name).is_some_and(|value| !value.is_empty()) || is_secret(name);
        match self.required_environment.iter().find(|(name, _)| !is_set(name)) {
            Some((name, who)) => Err(SpecError::new(
                "environment",
                format!("{who} needs {name}; set it here, or as a secret of the pod"),
            )),
            None => Ok(()),
        }
    }

    /// The values that must never be logged: those of variables whose names mark them as secrets.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        secrets(&self.environment, None)
    }
}

impl PodSpec {
    /// The values that must never be logged: those of variables whose names mark them as secrets, and the credentials
    /// in the repository's address.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        secrets(&self.project.environment, self.machine.repository.as_ref())
    }
}

pub(super) fn secrets(environment: &BTreeMap<String, String>, repository: Option<&Repository>) -> Vec<String> {
    let is_secret = |name: &str, value: &str| {
        let name = name.to_ascii_uppercase();
        value.chars().count() >= MIN_SECRET && SECRET_NAMES.iter().any(|word| name.contains(word))
    };
    let mut secrets: Vec<String> =
        environment.iter().filter(|(name, value)| is_secret(name, value)).map(|(_, value)| value.clone()).collect();
    secrets.extend(repository.into_iter().flat_map(Repository::secrets));
    secrets
}

/// Leaves out the values of the environment, which may be secrets.
impl fmt::Debug for ProjectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectSpec")
            .field("services", &self.services)
            .field("environment", &self.environment.keys())
            .field("ports", &self.ports)
            .field("pre_start", &self.pre_start)
            .field("post_start", &self.post_start)
            .field("install", &self.install)
            .field("dependencies", &self.dependencies)
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::podspec::tests::resolve;

    #[test]
    fn secrets_are_known_by_their_names() {
        let spec = resolve(&json!({
            "environment": {
                "API_KEY": "12345678",
                "npm_token": "abcdefgh",
                "DATABASE_URL": "postgres://h/d",
                "SHORT_SECRET": "1234567",
                "UMLAUT_SECRET": "ääääääää",
                "EDITOR": "not-secret",
            },
            "repository": { "url": "https://bob:hunter22@h/r.git" },
        }))
        .expect("a pod");
        assert_eq!(spec.secrets(), ["12345678", "postgres://h/d", "ääääääää", "abcdefgh", "bob:hunter22", "hunter22"]);
    }

    #[test]
    fn values_do_not_show_in_debug_output() {
        let config = json!({
            "environment": { "API_KEY": "12345678" },
            "repository": { "url": "https://bob:hunter22@h/r.git" },
        });
        let shown = format!("{:?}", resolve(&config).expect("a pod"));
        assert!(shown.contains("API_KEY") && shown.contains("folder: \"r\""));
        assert!(!shown.contains("12345678") && !shown.contains("hunter22"));
    }
}
