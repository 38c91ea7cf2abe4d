//! `ServerConnection`: one way to run a command on a pod host, whatever carries it. `ssh` and `local` differ only in
//! how they start a shell with the guard in it; everything a command means is here, once.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    command::{Command, NulByte},
    guard::{Event, Feed, FencedBy, Guard, GuardReply, Pipe, StreamReader},
};
use crate::fault;

/// How much longer than the time limit the worker waits for the guard's last word before it gives the connection up:
/// what an older lease left may take 17 s to end first, and a command 10 s from SIGTERM to the end of its last child.
const LAST_WORD_MARGIN: Duration = Duration::from_secs(40);
/// How long a cancelled command may take to end: as long as that, and the time a guard in a container is given first.
pub const CANCEL_MARGIN: Duration = Duration::from_secs(50);
/// Enough for a host that is busy, and has to be dialled first.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of what a failed command said is quoted, in characters.
const QUOTED: usize = 300;
/// Exit codes above this are a shell's way to say that a signal ended the command.
const SIGNAL_BASE: i32 = 128;
/// Linux's highest signal number.
const MAX_SIGNAL: i32 = 64;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Exited(i32),
    /// By a signal that neither the worker nor its time limit sent.
    Signalled(i32),
    TimedOut,
    /// The worker, or a newer lease, ended it.
    Ended,
    /// The connection died first: whether the command ran is unknown, and only a look at the host tells.
    Lost,
    /// The same for a command in a container, where Docker or the container died first.
    CutOff,
}

impl Outcome {
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// The exit code as a shell would give it: 128 and the signal's number, 124 for a time limit (as `timeout` does),
    /// 255 for a lost connection (as `ssh` does), and for a lost container.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => SIGNAL_BASE + signal,
            Self::TimedOut => 124,
            Self::Ended => SIGNAL_BASE + 15,
            Self::Lost | Self::CutOff => 255,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signalled(9) => write!(
                f,
                "was killed (signal 9); if it needed more memory than the pod's tier has, \
                 choose a larger one"
            ),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimedOut => write!(f, "did not end within its time limit"),
            Self::Ended => write!(f, "was ended before it was done"),
            Self::Lost => write!(f, "was cut off: the connection to the host was lost"),
            Self::CutOff => write!(f, "was cut off: Docker or the container went away, or was not there"),
        }
    }
}

/// Why a command could not be run, or not be fenced.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionError {
    #[error("{host} cannot be reached: {reason}. Check that the host is up and that its SSH port is open")]
    Unreachable { host: String, reason: String },
    #[error(
        "{host} shows another host key than the pinned one. If the host was set up anew on purpose, remove the server \
         and add it again; if not, somebody may be in between"
    )]
    HostKey { host: String },
    #[error(
        "{host} refused the worker's SSH key for user {user}. Add the public half of SSH_PRIVATE_KEY to that user's \
         authorized_keys"
    )]
    Refused { host: String, user: String },
    #[error("the SSH settings for {host} are not usable: {reason}")]
    Settings { host: String, reason: String },
    #[error("no shell answered on the host: {0}")]
    NoShell(String),
    #[error("the connection to the host was lost")]
    Lost,
    #[error("a newer lease of this pod has run on the host; this worker has lost the pod")]
    Fenced,
    #[error("the order reached the host too late: this worker's lease may have passed to another")]
    Expired,
    #[error("a command of an earlier execution is still running on the host and could not be ended")]
    Busy,
    #[error(
        "the pod's fence file on the host can be neither written nor locked. Check that the host's disk is not full, \
         and that /var/lib/pinacle-worker/fences, or the SSH user's home, can be written to"
    )]
    Unfenced,
    #[error(transparent)]
    Command(#[from] NulByte),
    #[error("a command's arguments and stdin have {0} bytes, and no more than 1.5 MiB can be sent to a host")]
    TooLarge(usize),
}

/// The commands of an execution are effects of it, and their ends are; what nobody wrote down is not.
fn fault_boundary(command: &Command, fence: Option<&FencedBy>, what: &str) {
    if fence.is_some() {
        fault::boundary(|| format!("{what}`{}`", command.shown(str::to_owned)));
    }
}

/// Takes the output as it comes.
#[async_trait]
pub trait Output: Send {
    async fn stdout(&mut self, bytes: &[u8]);
    async fn stderr(&mut self, bytes: &[u8]);
}

/// The most that is collected of each stream of a command, in bytes: a listing of some ten thousand pods. A host that
/// prints more is not listened to.
const MAX_COLLECTED: usize = 16 * 1024 * 1024;

/// For short answers: keeps everything, up to a bound.
#[derive(Debug, Default)]
pub struct Collected {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Collected {
    /// The beginning of what it said on standard error, for a sentence.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().chars().take(QUOTED).collect()
    }
}

#[async_trait]
impl Output for Collected {
    async fn stdout(&mut self, bytes: &[u8]) {
        collect(&mut self.stdout, bytes);
    }

    async fn stderr(&mut self, bytes: &[u8]) {
        collect(&mut self.stderr, bytes);
    }
}

fn collect(collected: &mut Vec<u8>, bytes: &[u8]) {
    collected.extend_from_slice(&bytes[..bytes.len().min(MAX_COLLECTED - collected.len())]);
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
