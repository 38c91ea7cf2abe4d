//! Why a command could not be run.

use super::command::NulByte;

/// Why a command could not be run, or not be fenced.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionError {
    #[error("{host} cannot be reached: {reason}. Check that the host is up and that its SSH port is open")]
    Unreachable { host: String, reason: String },
    #[error(
        "{host} shows another host key than the pinned one. If the host was set up anew on purpose, remove the server \
         and add it again; if not, the connection may be intercepted"
    )]
    HostKey { host: String },
    #[error(
        "{host} refused the worker's SSH key for user {user}. Add the public half of SSH_PRIVATE_KEY to that user's \
         authorized_keys"
    )]
    Refused { host: String, user: String },
    #[error("the SSH settings for {host} are not usable: {reason}")]
    Settings { host: String, reason: String },
    #[error("no shell starts on the host: {0}")]
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
