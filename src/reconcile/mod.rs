//! Reconciliation: compares what the database says of a host's pods with what the host holds, and brings the two
//! together. A pod is repaired by a job, like any other change to it, so all that holds for jobs holds here; only what no
//! pod accounts for is removed directly ([`orphans`]), and never what does not carry our label.

pub(crate) mod compare;
pub(crate) mod inventory;
mod orphans;
mod reconciler;
mod repair;
mod server;
pub(crate) mod watch;

pub use reconciler::{Finding, MAX_REMOVALS, Reconciler, Report};
pub use watch::watch;
