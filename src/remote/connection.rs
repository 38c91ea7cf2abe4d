//! `ServerConnection`: one way to run a command on a pod host, whatever carries it. `ssh` and `local` differ only in
//! how they start a shell with the guard in it; everything a command means is here, once.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    command::Command,
    error::ConnectionError,
    guard::{Event, Feed, FencedBy, Guard, GuardReply, Pipe, StreamReader},
    outcome::{MAX_SIGNAL, Outcome, SIGNAL_BASE},
    output::{Collected, Output},
};
use crate::fault;

/// How much longer than the time limit the worker waits for the guard's last word before it gives the connection up:
/// what an older lease left may take 17 s to end first, and a command 10 s from SIGTERM to the end of its last child.
const LAST_WORD_MARGIN: Duration = Duration::from_secs(40);
/// How long a cancelled command may take to end: as long as that, and the time a guard in a container is given first.
pub const CANCEL_MARGIN: Duration = Duration::from_secs(50);
/// Enough for a host that is busy, and has to be dialled first.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The begin and the end of a command are effects of an execution; a command without a record is not.
fn fault_boundary(command: &Command, fence: Option<&FencedBy>, what: &str) {
    if fence.is_some() {
        fault::boundary(|| format!("{what}`{}`", command.shown(str::to_owned)));
    }
}

/// A pod host, as the worker reaches it.
#[async_trait]
pub trait ServerConnection: Send + Sync {
    /// A guard on the host that waits for its order.
    async fn open(&self) -> Result<Guard, ConnectionError>;

    /// Runs one command to its end and gives its output as it comes. `cancel` ends it, with all that it started.
    ///
    /// # Errors
    /// The command did not run: the host can't be reached, or the fence refused it. An outcome of
    /// [`Outcome::Lost`] is no error: it may have run.
    async fn exec(
        &self,
        command: &Command,
        fence: Option<&FencedBy>,
        output: &mut dyn Output,
        cancel: &CancellationToken,
    ) -> Result<Outcome, ConnectionError> {
        command.check()?;
        let guard = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(Outcome::Ended),
            guard = self.open() => guard?,
        };
        let (order, bytes) = guard.order(command, fence)?;
        let Guard { pipe: Pipe { input, mut events }, broken, .. } = guard;
        let mut feed = Feed::new(input, bytes);
        let mut stdout = StreamReader::new(&order, command);
        let mut stderr = StreamReader::new(&order, command);
        let last_word = tokio::time::sleep(order.limit + LAST_WORD_MARGIN);
        tokio::pin!(last_word);
        let mut cancelled = false;

        fault_boundary(command, fence, "");
        while stdout.reply().is_none() || stderr.reply().is_none() {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Stdout(bytes)) => output.stdout(&stdout.push(bytes)).await,
                    Some(Event::Stderr(bytes)) => output.stderr(&stderr.push(bytes)).await,
                    None => break,
                },
                () = feed.send() => fault_boundary(command, fence, "the end of "),
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    feed.hang_up().await;
                    last_word.as_mut().reset(tokio::time::Instant::now() + CANCEL_MARGIN);
                }
                () = &mut last_word => break,
            }
        }
        output.stdout(&stdout.finish()).await;
        output.stderr(&stderr.finish()).await;

        match stderr.reply().or(stdout.reply()) {
            Some(GuardReply::Exited(code)) if cancelled && code != 0 => Ok(Outcome::Ended),
            Some(GuardReply::Exited(code)) if (SIGNAL_BASE + 1..=SIGNAL_BASE + MAX_SIGNAL).contains(&code) => {
                Ok(Outcome::Signalled(code - SIGNAL_BASE))
            }
            Some(GuardReply::Exited(code)) => Ok(Outcome::Exited(code)),
            Some(GuardReply::TimedOut(_)) => Ok(Outcome::TimedOut),
            Some(GuardReply::Ended(_)) => Ok(Outcome::Ended),
            Some(GuardReply::CutOff) => Ok(if cancelled { Outcome::Ended } else { Outcome::CutOff }),
            Some(GuardReply::Fenced) => Err(ConnectionError::Fenced),
            Some(GuardReply::Expired) => Err(ConnectionError::Expired),
            Some(GuardReply::Busy) => Err(ConnectionError::Busy),
            Some(GuardReply::Unfenced) => Err(ConnectionError::Unfenced),
            None => {
                broken.cancel();
                Ok(Outcome::Lost)
            }
        }
    }

    /// Runs nothing, on the host.
    ///
    /// # Errors
    /// The host can't be reached, or has no shell to run commands in.
    async fn test_connection(&self) -> Result<(), ConnectionError> {
        let command = Command::new("true").timeout(TEST_TIMEOUT);
        match self.exec(&command, None, &mut Collected::default(), &CancellationToken::new()).await? {
            outcome if outcome.success() => Ok(()),
            outcome => Err(ConnectionError::NoShell(format!("`true` {outcome}"))),
        }
    }
}
