//! How an execution is stopped, and why.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::fault;

/// Why an execution has to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// On request; the sentence says whose.
    Cancelled(String),
    /// The job has run for as long as a job may.
    Deadline,
    /// This process ends.
    Shutdown,
    /// Another worker may have the pod: nothing more may be written.
    LeaseLost,
}

/// Stops one execution, once, for one reason.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    pub token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    pub fn because(&self, reason: StopReason) {
        if reason == StopReason::LeaseLost && !fault::notices_lost_leases() {
            return;
        }
        // The first reason stands.
        drop(self.reason.set(reason));
        self.token.cancel();
    }

    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().cloned()
    }
}
