//! What no pod accounts for: quarantined at its first sighting, and removed when it is seen again after the grace
//! period. Each command names the pod on the label, under a lease that is newer than any that the host has seen, so
//! that whatever still acts for this pod there is ended first.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    compare::{Kind, Orphan},
    inventory::Inventory,
    reconciler::{LOCKED, Reconciler, Report, Stopped},
};
use crate::{
    model::LeaseClock,
    remote::{Command, Host, Policy, Ran, guard::FencedBy},
    store::{
        self,
        orphans::{self, Extra, Sighting},
        reconcile::{PodRecord, raise_lease},
        servers::Server,
    },
    telemetry::metrics::ORPHANS_REMOVED,
};

/// A container has ten seconds to stop, and gVisor takes a while to go.
const TIMEOUT: Duration = Duration::from_secs(90);
/// How long an order may be on its way to the host.
const ORDER_VALIDITY: Duration = Duration::from_secs(30);

/// The newest leases of pods, as host and database know them.
pub struct Leases<'a>(HashMap<&'a str, i64>);

impl<'a> Leases<'a> {
    pub fn new(inventory: &'a Inventory, pods: &'a [PodRecord]) -> Self {
        let mut newest = HashMap::new();
        let fences = inventory.fences.iter().map(|fence| (fence.key.as_str(), fence.lease));
        for (pod_id, lease) in fences.chain(pods.iter().map(|pod| (pod.id.as_str(), pod.lease))) {
            let known = newest.entry(pod_id).or_default();
            *known = lease.max(*known);
        }
        Self(newest)
    }

    /// `None` where there is none that is newer.
    fn next(&self, pod_id: &str) -> Option<i64> {
        self.0.get(pod_id).copied().unwrap_or_default().checked_add(1)
    }
}

impl Orphan {
    fn record(&self) -> Extra<'_> {
        Extra { kind: self.kind.as_str(), key: &self.key, pod_id: &self.pod_id }
    }

    fn subject(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }
}

/// A pod's name on a host, under a lease.
struct Claim<'a> {
    host: &'a Host,
    sudo: bool,
    fence: FencedBy,
    cancel: &'a CancellationToken,
}

impl Claim<'_> {
    /// Runs a command that has to succeed; the error says how it went wrong.
    async fn run(&self, command: &Command) -> Result<(), String> {
        self.fence.clock.extend(Instant::now() + ORDER_VALIDITY);
        match self.host.run(command, Policy::Fenced(&self.fence), self.cancel).await {
            Ok(ran) if ran.outcome.success() => Ok(()),
            Ok(Ran { outcome, output }) => {
                Err(format!("`{}` {outcome}: {}", command.shown(str::to_owned), output.stderr_head()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn docker(&self, args: &[&str]) -> Command {
        Command::docker(self.sudo).args(args.iter().copied()).timeout(TIMEOUT)
    }

    /// Keeps a container from doing harm until it is removed, in a way that a person can take back.
    async fn quarantine(&self, orphan: &Orphan) -> Result<(), String> {
        self.run(&self.docker(&["container", "stop", &orphan.key])).await?;
        self.run(&self.docker(&["container", "update", "--restart", "no", &orphan.key])).await
    }

    async fn remove(&self, orphan: &Orphan) -> Result<(), String> {
        self.run(&match orphan.kind {
            Kind::Container => self.docker(&["container", "rm", "--force", "--volumes", &orphan.key]),
            Kind::Network => self.docker(&["network", "rm", &orphan.key]),
            Kind::Volume => self.docker(&["volume", "rm", &orphan.key]),
            // The guard removes the file of a pod that is closed.
            Kind::Fence => Command::new("true").closes_fence(),
        })
        .await
    }
}

impl Reconciler {
    pub(super) async fn clear_away(
        &self,
        server: &Server,
        host: &Host,
        orphans: &[Orphan],
        leases: &Leases<'_>,
        report: &mut Report,
        cancel: &CancellationToken,
    ) -> Result<(), Stopped> {
        let mut by_pod: BTreeMap<&str, Vec<(&Orphan, Sighting)>> = BTreeMap::new();
        for orphan in orphans {
            let sighting = orphans::look_up(&self.db, &server.id, orphan.record(), self.grace).await?;
            by_pod.entry(&orphan.pod_id).or_default().push((orphan, sighting));
        }
        if !self.dry_run {
            let seen: Vec<_> = orphans.iter().map(Orphan::record).collect();
            orphans::forget_others(&self.db, &server.id, &seen).await?;
        }
        // A fence file alone holds nobody's data, and may be one of many that a host has collected.
        let acted_on = orphans.iter().filter(|orphan| orphan.kind != Kind::Fence).map(|orphan| orphan.pod_id.as_str());
        let pods: HashSet<_> = acted_on.collect();
        let stop = pods.len() > self.max_removals;
        if stop {
            report.stopped = Some(format!(
                "things of {} pods that the database does not account for are on this server, and more than {} are \
                 taken for a wrong database rather than for wrong things; none is touched. If they shall go, run \
                 `pinacle-worker reconcile --max-removals {}`",
                pods.len(),
                self.max_removals,
                pods.len()
            ));
        }
        let sudo = host.docker_needs_sudo().await?;
        for (pod_id, mut things) in by_pod {
            things.sort_by_key(|(orphan, _)| orphan.kind);
            let Some(lease) = leases.next(pod_id) else {
                let what = "its fence file says a lease that no worker gave";
                report.add(format!("pod {pod_id}"), what, "left to a person");
                continue;
            };
            let fence = FencedBy { pod_id: pod_id.to_owned(), lease, clock: LeaseClock::new(Instant::now()) };
            let claim = Claim { host, sudo, fence, cancel };
            if !self.dry_run && !stop && things.iter().any(|(_, sighting)| *sighting != Sighting::Again) {
                match raise_lease(&self.db, &server.id, pod_id, claim.fence.lease).await {
                    Err(error) if store::is_locked(&error) => {
                        report.add(format!("pod {pod_id}"), "it has left things on this server", LOCKED);
                        continue;
                    }
                    raised => raised?,
                }
            }
            for (orphan, sighting) in &things {
                let done =
                    if stop { "not touched".to_owned() } else { self.treat(server, &claim, orphan, *sighting).await? };
                report.add(orphan.subject(), &orphan.why, done);
            }
            // Our own commands have written a fence file where there was none.
            if !self.dry_run && !stop && things.iter().all(|(_, sighting)| *sighting == Sighting::Due) {
                drop(claim.run(&Command::new("true").closes_fence()).await);
            }
        }
        Ok(())
    }

    async fn treat(
        &self,
        server: &Server,
        claim: &Claim<'_>,
        orphan: &Orphan,
        sighting: Sighting,
    ) -> Result<String, sqlx::Error> {
        let remaining = format!("it is removed when it is seen again after {} s", self.grace.as_secs());
        let quarantined = if orphan.runs { "stopped it; " } else { "" };
        match sighting {
            Sighting::Again => Ok(format!("quarantined; {remaining}")),
            _ if self.dry_run => Ok(match sighting {
                Sighting::Due => "it would be removed".to_owned(),
                _ => format!("it would be {}quarantined", if orphan.runs { "stopped and " } else { "" }),
            }),
            Sighting::First => {
                if orphan.runs
                    && let Err(error) = claim.quarantine(orphan).await
                {
                    return Ok(format!("it could not be quarantined: {error}"));
                }
                orphans::note(&self.db, &server.id, orphan.record()).await?;
                Ok(format!("{quarantined}{remaining}"))
            }
            Sighting::Due => match claim.remove(orphan).await {
                Ok(()) => {
                    metrics::counter!(ORPHANS_REMOVED, "kind" => orphan.kind.as_str()).increment(1);
                    Ok("removed it".to_owned())
                }
                Err(error) => Ok(format!("it could not be removed, which is tried again: {error}")),
            },
        }
    }
}
