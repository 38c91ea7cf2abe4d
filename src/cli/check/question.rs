//! Runs commands on a host that is checked.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    cli::view::terminal,
    remote::{Command, ConnectionError, Host, Outcome, Policy, Ran},
};

/// How long a host may take for one command, so that a broken host cannot hang the check.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of the end of a failed command's output is quoted, in bytes.
const QUOTED: usize = 400;

/// A host that is checked. Its commands belong to no pod, so they are not fenced.
pub struct Asked<'a> {
    pub host: Arc<Host>,
    pub sudo: bool,
    pub cancel: &'a CancellationToken,
}

/// What a command printed, and how it ended.
pub struct Reply {
    pub outcome: Outcome,
    pub stdout: String,
    stderr: String,
}

impl Reply {
    /// Returns stdout if the command succeeded, or else the reason for the failure.
    pub fn success(self) -> Result<String, String> {
        if self.outcome.success() {
            return Ok(self.stdout.trim().to_owned());
        }
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let text = terminal::one_line(text.trim());
        let begin = text.ceil_char_boundary(text.len().saturating_sub(QUOTED));
        Err(match (&text[begin..], begin) {
            ("", _) => self.outcome.to_string(),
            (tail, 0) => tail.to_owned(),
            (tail, _) => format!("…{tail}"),
        })
    }
}

impl Asked<'_> {
    pub fn docker<const N: usize>(&self, args: [&str; N]) -> Command {
        Command::docker(self.sudo).args(args).timeout(QUESTION_TIMEOUT)
    }

    pub async fn ask(&self, command: &Command) -> Result<Reply, ConnectionError> {
        self.ask_unless(command, self.cancel).await
    }

    pub async fn ask_unless(&self, command: &Command, cancel: &CancellationToken) -> Result<Reply, ConnectionError> {
        let Ran { outcome, output } = self.host.run(command, Policy::Plain, cancel).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Reply { outcome, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Runs a command that has to succeed; returns its stdout, or the reason for the failure.
    pub async fn ask_for_stdout(&self, command: &Command) -> Result<String, String> {
        match self.ask(command).await {
            Ok(reply) => reply.success(),
            Err(error) => Err(error.to_string()),
        }
    }
}
