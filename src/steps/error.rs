//! Why a step did not succeed, and what follows from it: the decision is made where the cause is known.

use crate::{remote::ConnectionError, store::StoreError, transcript::HostError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may work later: an unreachable host, a Docker daemon that is down, a lost connection.
    Retry,
    /// It has to wait for others, and that costs it no attempt.
    Defer,
    /// It will not work as it is: a config, a key, a user's command.
    Fail,
    /// The job was cancelled, or the worker is stopping.
    Cancelled,
    /// Another worker has the pod; this execution writes nothing more.
    Fenced,
}

/// A sentence for a person, the decision, and what it comes from.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    pub decision: Decision,
    pub message: String,
    /// `None` where the step itself found the fault.
    pub source: Option<HostError>,
}

impl StepError {
    pub fn new(decision: Decision, message: impl Into<String>) -> Self {
        Self { decision, message: message.into(), source: None }
    }

    /// The same, for what it comes from.
    #[must_use]
    pub fn from_source(self, source: HostError) -> Self {
        Self { source: Some(source), ..self }
    }

    pub fn fail(message: impl Into<String>) -> Self {
        Self::new(Decision::Fail, message)
    }

    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(Decision::Retry, message)
    }

    pub fn defer(message: impl Into<String>) -> Self {
        Self::new(Decision::Defer, message)
    }

    /// Says what was being done: "{what}: {message}".
    #[must_use]
    pub fn while_doing(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<HostError> for StepError {
    fn from(error: HostError) -> Self {
        let decision = match &error {
            HostError::Connection(connection) => match connection {
                ConnectionError::Fenced => Decision::Fenced,
                ConnectionError::HostKey { .. }
                | ConnectionError::Refused { .. }
                | ConnectionError::Settings { .. }
                | ConnectionError::Command(_)
                | ConnectionError::TooLarge(_) => Decision::Fail,
                ConnectionError::Unreachable { .. }
                | ConnectionError::NoShell(_)
                | ConnectionError::Lost
                | ConnectionError::Expired
                | ConnectionError::Busy
                | ConnectionError::Unfenced => Decision::Retry,
            },
            HostError::Failed { .. } => Decision::Fail,
            HostError::Store(StoreError::Fenced { .. }) => Decision::Fenced,
            HostError::Store(StoreError::Database(_)) | HostError::CutOff { .. } | HostError::Unreadable { .. } => {
                Decision::Retry
            }
            HostError::Cancelled => Decision::Cancelled,
        };
        Self { decision, message: error.to_string(), source: Some(error) }
    }
}

impl From<ConnectionError> for StepError {
    fn from(error: ConnectionError) -> Self {
        HostError::from(error).into()
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        HostError::from(error).into()
    }
}

impl From<sqlx::Error> for StepError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}
