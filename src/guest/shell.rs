//! Commands inside a pod: our own scripts, which run the commands of users and templates. A user's text is one
//! argument, never a part of a script.

use crate::{
    docker::names::hex_digest,
    remote::{Command, command::NulByte, script, script_for},
};

const USER_COMMAND: &str = include_str!("scripts/user-command.bash");
const HEALTHY: &str = include_str!("scripts/healthy.sh");

/// Where a command of a user or a template runs, and which environment it has beside the pod's.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub dir: &'a str,
    /// The service whose environment it has, if any.
    pub service: Option<&'a str>,
}

impl Place<'_> {
    fn service(&self) -> &str {
        self.service.unwrap_or_default()
    }

    pub fn command(&self, text: &str) -> Command {
        script_for("bash", USER_COMMAND, [text, self.dir, "", self.service()]).shown_as(text)
    }

    /// A command that is marked as done when it succeeds.
    pub fn command_once(&self, text: &str, mark: &Mark) -> Command {
        script_for("bash", USER_COMMAND, [text, self.dir, &mark.0, self.service()]).shown_as(text)
    }

    /// Waits until a check succeeds, for as long as the command may run.
    pub fn health_check(&self, check: &str, start_delay_seconds: u16) -> Command {
        script(HEALTHY, [check, self.dir, USER_COMMAND, self.service(), &start_delay_seconds.to_string()])
            .shown_as(check)
            .label("🩺 Checking health")
    }
}

/// Marks a command as done in a pod. It depends on the purpose and the text, so a changed command runs again.
#[derive(Debug, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    pub fn new(purpose: &str, text: &str) -> Self {
        Self(hex_digest(&format!("{purpose}\n{text}")))
    }

    /// Whether it is one of these.
    pub fn is_in(&self, marks: &[String]) -> bool {
        marks.contains(&self.0)
    }
}

/// Returns an environment as shell code.
///
/// # Errors
/// A value holds a NUL byte.
pub fn exports<'a>(environment: impl Iterator<Item = (&'a str, &'a str)>) -> Result<String, NulByte> {
    let mut lines = String::new();
    for (name, value) in environment {
        let quoted = shlex::try_quote(value).map_err(|_| NulByte(format!("the environment value {name}")))?;
        lines.extend(["export ", name, "=", &quoted, "\n"]);
    }
    Ok(lines)
}
