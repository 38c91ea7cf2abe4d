//! Compares a server with the database, and has the differences repaired and the orphans removed.

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::{
    compare::{Seen, Sides, compare},
    inventory::Inventory,
    orphans::Leases,
    reconciler::{LOCKED, Reconciler, Report, Stopped},
};
use crate::{
    store::{
        self,
        reconcile::{lock, pod_records, see},
        servers::{self, Server},
    },
    telemetry::metrics::RECONCILE_FINDINGS,
};

impl Reconciler {
    /// Reconciles every server that is not offline.
    ///
    /// # Errors
    /// The database did not say which servers there are.
    pub async fn all(&self, cancel: &CancellationToken) -> Result<Vec<Report>, sqlx::Error> {
        let servers = servers::in_use(&self.db).await?;
        Ok(join_all(servers.iter().map(|server| self.server(server, cancel))).await)
    }

    /// The scheduled run, which logs its result.
    pub async fn all_and_report(&self) {
        if let Err(error) = self.all(&CancellationToken::new()).await {
            tracing::warn!(%error, "Database and hosts could not be compared; the next run tries again.");
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

    /// Checks that the totals kept with the server are the sums over its pods.
    async fn recount(&self, server: &Server, report: &mut Report) -> Result<(), sqlx::Error> {
        let miscount = match servers::recount(&self.db, &server.id, !self.dry_run).await {
            Err(error) if store::is_locked(&error) => None,
            counted => counted?,
        };
        if let Some(servers::Miscount { kept, counted }) = miscount {
            let done = if self.dry_run { "it would be corrected" } else { "corrected it" };
            report.add(
                format!("server {}", server.name),
                format!("the database has {kept} reserved there, and its pods have {counted}"),
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
        let leases = Leases::new(inventory, after);
        self.clear_away(server, &host, &differences.orphans, &leases, report, cancel).await
    }
}
