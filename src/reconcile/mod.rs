//! Reconciliation: compares what the database says of a host's pods with what the host holds, and repairs the
//! differences. A pod is repaired by a job, so that the fences of jobs hold here, too. Only orphans are removed
//! directly ([`orphans`]): things with our label, and fence files, that belong to no pod there.

pub(crate) mod compare;
pub(crate) mod inventory;
mod orphans;
mod reconciler;
mod repair;
mod server;
pub(crate) mod watch;

pub use reconciler::{Finding, MAX_REMOVALS, Reconciler, Report};
pub use watch::watch;
