//! The reconciler, with its limits, and the report that it makes of each server.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::inventory::InventoryError;
use crate::{fleet::HostDirectory, remote::ConnectionError};

/// The default of [`Reconciler::max_removals`].
pub const MAX_REMOVALS: usize = 5;

/// What is done about a pod whose rows are locked by an open transaction.
pub(super) const LOCKED: &str = "left to the next reconciliation: its rows are locked";

/// How many servers are compared at a time: each comparison holds a connection to the database.
const AT_ONCE: usize = 2;

/// Reconciles hosts with the database.
#[derive(Clone)]
pub struct Reconciler {
    pub(super) db: PgPool,
    pub(super) hosts: Arc<HostDirectory>,
    /// Tells our things on a host from those of other installations.
    pub(super) installation: Arc<str>,
    /// How long something that no pod accounts for is left alone after it was first seen.
    pub(super) grace: Duration,
    pub(super) turns: Arc<Semaphore>,
    /// Where orphans, fence files aside, are of more pods than this, none is touched: the database may be wrong.
    pub max_removals: usize,
    /// Say what would be done, and change nothing.
    pub dry_run: bool,
}

/// Something that differs, and what was done about it.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The pod, or the thing on the host.
    pub subject: String,
    pub what: String,
    pub done: String,
}

/// The result for one server.
#[derive(Debug, Serialize)]
pub struct Report {
    pub server: String,
    pub findings: Vec<Finding>,
    /// Why the server was not compared, or not everything was done.
    pub stopped: Option<String>,
}

impl Report {
    pub(super) fn add(&mut self, subject: impl Into<String>, what: impl Into<String>, done: impl Into<String>) {
        let finding = Finding { subject: subject.into(), what: what.into(), done: done.into() };
        tracing::warn!(server.name = %self.server, "{}: {}; {}.", finding.subject, finding.what, finding.done);
        self.findings.push(finding);
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("the database refused or did not respond: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<ConnectionError> for Stopped {
    fn from(error: ConnectionError) -> Self {
        Self::Inventory(error.into())
    }
}

impl Reconciler {
    pub fn new(db: PgPool, hosts: Arc<HostDirectory>, installation: Arc<str>, grace: Duration) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { db, hosts, installation, grace, turns, max_removals: MAX_REMOVALS, dry_run: false }
    }
}
