//! What one needs to reconcile hosts with the database, and what comes of it.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::inventory::InventoryError;
use crate::{fleet::HostDirectory, remote::ConnectionError};

/// Of how many pods things are removed from a host at once, by default.
pub const MAX_REMOVALS: usize = 5;

/// What is done about a pod whose rows are locked by an open transaction.
pub(super) const LOCKED: &str = "left to the next reconciliation: its rows are locked";

/// Servers that are looked at side by side: each look holds a connection to the database meanwhile.
const AT_ONCE: usize = 2;

/// What one needs to reconcile hosts with the database.
#[derive(Clone)]
pub struct Reconciler {
    pub(super) db: PgPool,
    pub(super) hosts: Arc<HostDirectory>,
    /// Which things on a host are ours, where several installations share it.
    pub(super) installation: Arc<str>,
    /// How long something that no pod accounts for is left alone after it was first seen.
    pub(super) grace: Duration,
    pub(super) turns: Arc<Semaphore>,
    /// Of how many pods things are removed from a host at once; where there are more, something else is wrong.
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

/// What came of one host.
#[derive(Debug, Serialize)]
pub struct Report {
    pub server: String,
    pub findings: Vec<Finding>,
    /// Why it was not looked at, or not all was done.
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
