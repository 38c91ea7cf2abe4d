//! Questions to a host that is checked.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    cli::view::terminal,
    remote::{Collected, Command, ConnectionError, Host, Outcome},
};

/// What ends a question that a broken host never answers.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of the end of what a failed command said is quoted, in bytes.
const QUOTED: usize = 400;

/// A host that is asked questions. They belong to no pod, so nothing fences them.
pub struct Asked<'a> {
    pub host: Arc<Host>,
    pub sudo: bool,
    pub cancel: &'a CancellationToken,
}

/// What a command answered.
pub struct Answer {
    pub outcome: Outcome,
    pub stdout: String,
    stderr: String,
}

impl Answer {
    /// What was answered, or how it went wrong.
    pub fn success(self) -> Result<String, String> {
        if self.outcome.success() {
            return Ok(self.stdout.trim().to_owned());
        }
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let said = terminal::one_line(said.trim());
        let end = said.ceil_char_boundary(said.len().saturating_sub(QUOTED));
        Err(match (&said[end..], end) {
            ("", _) => self.outcome.to_string(),
            (said, 0) => said.to_owned(),
            (said, _) => format!("…{said}"),
        })
    }
}

impl Asked<'_> {
    pub fn docker<const N: usize>(&self, args: [&str; N]) -> Command {
        Command::new("docker").args(args).sudo(self.sudo).timeout(QUESTION_TIMEOUT)
    }

    pub async fn ask(&self, command: &Command) -> Result<Answer, ConnectionError> {
        self.ask_unless(command, self.cancel).await
    }

    pub async fn ask_unless(&self, command: &Command, cancel: &CancellationToken) -> Result<Answer, ConnectionError> {
        let mut output = Collected::default();
        if cancel.is_cancelled() {
            return Ok(Answer { outcome: Outcome::Ended, stdout: String::new(), stderr: String::new() });
        }
        let outcome = self.host.connection.exec(command, None, &mut output, cancel).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Answer { outcome, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// What a command that has to succeed answered, or how it went wrong.
    pub async fn answer(&self, command: &Command) -> Result<String, String> {
        match self.ask(command).await {
            Ok(answer) => answer.success(),
            Err(error) => Err(error.to_string()),
        }
    }
}
