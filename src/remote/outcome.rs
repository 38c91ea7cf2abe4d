//! How a command ended.

/// Exit codes above this are a shell's way to say that a signal ended the command.
pub(super) const SIGNAL_BASE: i32 = 128;
/// Linux's highest signal number.
pub(super) const MAX_SIGNAL: i32 = 64;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Exited(i32),
    /// By a signal that neither the worker nor its time limit sent.
    Signalled(i32),
    TimedOut,
    /// The worker, or a newer lease, ended it.
    Ended,
    /// The connection died first: whether the command ran is unknown until the host is inspected.
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
