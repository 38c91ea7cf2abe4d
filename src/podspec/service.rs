//! Service templates: what can run in a pod, as data. The built-in ones are compiled in; an operator adds to them, or
//! replaces them, with files of the same form in a folder.
//!
//! All texts are shell scripts. They run in the project folder with the service's environment, over which the pod's own
//! wins. Scripts read variables such as `$PINACLE_PROJECT_DIR`, so no value is ever pasted into them.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use super::text::{EnvName, EnvValue, ProcessName, Script};

/// The built-in services; a new one is a file, and its line here.
pub(crate) const BUILT_IN: [&str; 7] = [
    include_str!("services/claude-code.toml"),
    include_str!("services/code-server.toml"),
    include_str!("services/jupyter.toml"),
    include_str!("services/postgres.toml"),
    include_str!("services/redis.toml"),
    include_str!("services/vibe-kanban.toml"),
    include_str!("services/web-terminal.toml"),
];

/// How a service is installed, run and checked.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTemplate {
    name: ProcessName,
    /// For people, in one line.
    pub description: String,
    /// The port in the pod that it listens on.
    pub default_port: Port,
    /// Installs what the image lacks; runs once in a pod.
    pub(crate) install: Option<Script>,
    /// Runs the service in the foreground, under supervision. It should end with an `exec`.
    pub(crate) start: Script,
    /// Cleans up after the service was stopped on purpose.
    pub(crate) cleanup: Option<Script>,
    /// The signal that asks it to end, if that is not TERM.
    #[serde(default)]
    pub(crate) stop_signal: StopSignal,
    pub(crate) health: HealthCheck,
    #[serde(default)]
    pub(crate) hooks: Hooks,
    /// Variables of this service alone.
    #[serde(default)]
    pub(crate) environment: BTreeMap<EnvName, EnvValue>,
    /// Variables that the pod must have, in its environment or as secrets.
    #[serde(default)]
    required_environment: Vec<EnvName>,
}

/// When a service counts as running.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthCheck {
    /// Succeeds when the service is healthy.
    pub(crate) command: Script,
    /// How long to wait before the first check.
    #[serde(default)]
    pub(crate) start_delay_seconds: u16,
    /// How long it may take to become healthy.
    pub(crate) timeout_seconds: u16,
}

/// Commands around the start.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hooks {
    /// Before it starts.
    pub(crate) pre_start: Option<Script>,
    /// When it is healthy.
    pub(crate) post_start: Option<Script>,
}

/// The signals that ask a server to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum StopSignal {
    #[default]
    Term,
    Int,
    Quit,
    Hup,
}

impl StopSignal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
        }
    }
}

/// A port in the pod that a service may have: any but the one of the pod's own nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct Port(u16);

impl TryFrom<u16> for Port {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        match number {
            0 => Err("0 is not a port; use a number from 1 to 65535".to_owned()),
            80 => Err("port 80 belongs to the pod's own nginx; let the service listen on another".to_owned()),
            _ => Ok(Self(number)),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ServiceTemplate {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn required_environment(&self) -> impl Iterator<Item = &str> {
        self.required_environment.iter().map(|name| &**name)
    }
}

/// Leaves out the texts, which are long, and the environment.
impl fmt::Debug for ServiceTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTemplate")
            .field("name", &self.name())
            .field("default_port", &self.default_port)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServiceTemplate, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    const SMALL: &str = r#"
        name = "small"
        description = "A service"
        default_port = 9000
        start = "exec sleep infinity"
        health = { command = "true", timeout_seconds = 5 }
    "#;

    #[test]
    fn what_a_template_leaves_out_has_a_default() {
        let template = read(SMALL).expect("a template");
        assert_eq!((template.name(), template.stop_signal.as_str()), ("small", "TERM"));
        assert!(template.install.is_none() && template.cleanup.is_none() && template.environment.is_empty());
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        for (from, to, says) in [
            ("9000", "0", "0 is not a port"),
            ("9000", "80", "nginx"),
            ("9000", "70000", "70000"),
            ("\"small\"", "\"../small\"", "not a name for a process"),
            ("\"exec sleep infinity\"", "\" \"", "the command is empty"),
            ("start =", "begin =", "unknown field `begin`"),
            (", timeout_seconds = 5", "", "missing field `timeout_seconds`"),
        ] {
            let error = read(&SMALL.replace(from, to)).expect_err(to);
            assert!(error.contains(says), "{error}");
        }
    }
}
