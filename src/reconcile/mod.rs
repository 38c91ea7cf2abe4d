//! Reconciliation: compares what the database says of a host's pods with what the host holds, and brings the two
//! together. A pod is mended by a job, like any other change to it, so all that holds for jobs holds here; only what no
//! pod accounts for is removed directly ([`orphans`]), and never what does not carry our label.

pub(crate) mod compare;
pub(crate) mod inventory;
mod orphans;
mod repair;
pub(crate) mod watch;

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::HostDirectory,
    remote::ConnectionError,
    store::{
        self,
        reconcile::{lock, pod_records, see},
        servers::{self, Server},
    },
    telemetry::metrics::RECONCILE_FINDINGS,
};
use compare::{Seen, Sides, compare};
use inventory::{Inventory, InventoryError};
pub use watch::watch;

/// Of how many pods things are removed from a host at once, unless somebody says otherwise.
pub const MAX_REMOVALS: usize = 5;

/// What is done about a pod whose rows somebody's open transaction holds.
const LOCKED: &str = "left to the next look, for somebody has locked its rows";

/// Servers that are looked at side by side: each look holds a connection to the database meanwhile.
const AT_ONCE: usize = 2;

/// What one needs to reconcile hosts with the database.
#[derive(Clone)]
pub struct Reconciler {
    db: PgPool,
    hosts: Arc<HostDirectory>,
    /// Which things on a host are ours, where several installations share it.
    installation: Arc<str>,
    /// How long something that no pod accounts for is left alone after it was first seen.
    grace: Duration,
    turns: Arc<Semaphore>,
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
    fn add(&mut self, subject: impl Into<String>, what: impl Into<String>, done: impl Into<String>) {
        let finding = Finding { subject: subject.into(), what: what.into(), done: done.into() };
        tracing::warn!(server.name = %self.server, "{}: {}; {}.", finding.subject, finding.what, finding.done);
        self.findings.push(finding);
    }
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("the database refused or did not answer: {0}")]
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

    /// Looks at every server that is not offline.
    ///
    /// # Errors
    /// The database did not say which servers there are.
    pub async fn all(&self, cancel: &CancellationToken) -> Result<Vec<Report>, sqlx::Error> {
        let servers = servers::in_use(&self.db).await?;
        Ok(join_all(servers.iter().map(|server| self.server(server, cancel))).await)
    }

    /// The scheduled run: what comes of it goes to the log.
    pub async fn all_and_report(&self) {
        if let Err(error) = self.all(&CancellationToken::new()).await {
            tracing::warn!(%error, "Database and hosts could not be compared; the next time they are.");
        }
    }

    pub async fn server(&self, server: &Server, cancel: &CancellationToken) -> Report {
        let _turn = self.turns.acquire().await;
        let mut report = Report { server: server.name.clone(), findings: Vec::new(), stopped: None };
        if let Err(error) = self.compare_server(server, &mut report, cancel).await {
            tracing::warn!(server.name = %server.name, %error, "The reconciliation of server {} stopped.", server.name);
            report.stopped = Some(error.to_string());
        }
        metrics::counter!(RECONCILE_FINDINGS).increment(report.findings.len() as u64);
        report
    }

    /// What is kept with the server of its pods has to be their sum.
    async fn recount(&self, server: &Server, report: &mut Report) -> Result<(), sqlx::Error> {
        let miscount = match servers::recount(&self.db, &server.id, !self.dry_run).await {
            Err(error) if store::is_locked(&error) => None,
            counted => counted?,
        };
        if let Some(servers::Miscount { kept, counted }) = miscount {
            let done = if self.dry_run { "it would be corrected" } else { "corrected it" };
            report.add(
                format!("server {}", server.name),
                format!("it is said to hold {kept}, and holds {counted}"),
                done,
            );
        }
        Ok(())
    }

    async fn compare_server(
        &self,
        server: &Server,
        report: &mut Report,
        cancel: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(_turn) = lock(&self.db, &server.id).await? else {
            report.stopped = Some("another reconciliation of this server is under way".to_owned());
            return Ok(());
        };
        self.recount(server, report).await?;
        let host = self.hosts.get(server)?;
        let before = pod_records(&self.db, &server.id, &[]).await?;
        let inventory = Inventory::take(&host, cancel).await?;
        let after = pod_records(&self.db, &server.id, &inventory.pod_ids()).await?;
        let (server_id, installation) = (&*server.id, &*self.installation);
        let (before, inventory, after, grace) = (&before, &inventory, &after, self.grace);
        let differences = compare(&Sides { server_id, installation, before, inventory, after, grace });
        for Seen { pod_id, lease, up } in differences.seen.iter().filter(|_| !self.dry_run) {
            match see(&self.db, pod_id, *lease, *up).await {
                Err(error) if store::is_locked(&error) => {}
                written => written?,
            }
        }
        for drift in &differences.drifts {
            let done = match self.repair(drift).await {
                Err(error) if store::is_locked(&error) => LOCKED.to_owned(),
                done => done?,
            };
            let pod = &drift.pod;
            report.add(format!("pod {} ({})", pod.slug, pod.id), &drift.what, done);
        }
        for thing in &differences.unknown {
            report.add(thing, "it carries our label, and names no pod that could be ours", "left alone");
        }
        let leases = orphans::Leases::new(inventory, after);
        self.clear_away(server, &host, &differences.orphans, &leases, report, cancel).await
    }
}
