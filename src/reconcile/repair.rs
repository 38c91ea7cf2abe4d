//! Repairs a pod that drifted: by a job, by a correction in the database, or by leaving it to a person.

use std::time::Duration;

use super::{
    compare::{Action, Drift},
    reconciler::Reconciler,
};
use crate::{
    model::JobKind,
    store::reconcile::{ask, asked_within, fail, raise_lease, reserve},
    telemetry::metrics::REPAIRS,
};

/// A pod that was repaired this often within [`RELAPSE_SPAN`] is not repaired again.
const MAX_RELAPSES: i64 = 5;
const RELAPSE_SPAN: Duration = Duration::from_mins(15);

/// Another execution has begun since the host was looked at.
const OVERTAKEN: &str = "left to the job that came since";

impl Reconciler {
    /// Returns what was done, or would be without `dry_run`.
    pub(super) async fn repair(&self, drift: &Drift) -> Result<String, sqlx::Error> {
        let (pod, db) = (&drift.pod, &self.db);
        match &drift.action {
            Action::Nothing => Ok("left to a person".to_owned()),
            Action::RaiseLease(lease) => {
                if !self.dry_run {
                    let server_id = pod.server_id.as_deref().unwrap_or_default();
                    raise_lease(db, server_id, &pod.id, *lease).await?;
                }
                Ok(self.did("raised the lease in the database", "the lease in the database would be raised"))
            }
            Action::Reserve(cpu_cores, memory_mb) => {
                if !self.dry_run && !reserve(db, &pod.id, pod.lease, *cpu_cores, *memory_mb).await? {
                    return Ok(OVERTAKEN.to_owned());
                }
                Ok(self.did("reserved what it has", "what it has would be reserved"))
            }
            Action::Fail(reason) => self.give_up(drift, reason).await,
            Action::Ask(kind) if asked_within(db, &pod.id, RELAPSE_SPAN).await? >= MAX_RELAPSES => {
                let span = RELAPSE_SPAN.as_secs() / 60;
                let reason = format!(
                    "{}, for the {MAX_RELAPSES}th time within {span} minutes; a {kind} did not help. See its log and \
                     its processes, then requeue it, or destroy it",
                    drift.what
                );
                self.give_up(drift, &reason).await
            }
            Action::Ask(kind) => self.ask(drift, *kind).await,
        }
    }

    async fn ask(&self, drift: &Drift, kind: JobKind) -> Result<String, sqlx::Error> {
        let pod = &drift.pod;
        if self.dry_run {
            return Ok(format!("a {kind} would be asked for"));
        }
        let asked = ask(&self.db, &pod.id, pod.status, pod.lease, kind).await?;
        if asked {
            metrics::counter!(REPAIRS, "kind" => kind.as_str()).increment(1);
        }
        Ok(if asked { format!("asked for a {kind}") } else { OVERTAKEN.to_owned() })
    }

    async fn give_up(&self, drift: &Drift, reason: &str) -> Result<String, sqlx::Error> {
        let pod = &drift.pod;
        if !self.dry_run && !fail(&self.db, &pod.id, pod.status, pod.lease, reason).await? {
            return Ok(OVERTAKEN.to_owned());
        }
        Ok(self.did("marked it as failed", "it would be marked as failed"))
    }

    fn did(&self, done: &str, would: &str) -> String {
        if self.dry_run { would } else { done }.to_owned()
    }
}
