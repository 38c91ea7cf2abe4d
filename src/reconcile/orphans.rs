//! Orphans: quarantined when they are new, and removed when they are seen again after the grace period. Each command
//! runs for the pod on the label, under a lease that is newer than any that the host has seen, so that whatever still
//! acts for this pod there is ended first.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    inventory::Inventory,
    reconciler::{LOCKED, Reconciler, Report, Stopped},
};
use crate::{
    model::{LeaseClock, Orphan, OrphanKind},
    remote::{Command, Host, Policy, Ran, guard::FencedBy},
    store::{
        self,
        orphans::{self, OrphanState},
        reconcile::{PodRecord, raise_lease},
        servers::Server,
    },
    telemetry::metrics::ORPHANS_REMOVED,
};

/// A container has ten seconds to stop, and gVisor takes a while to exit.
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

    /// The next lease, or `None` after the last possible one.
    fn next(&self, pod_id: &str) -> Option<i64> {
        self.0.get(pod_id).copied().unwrap_or_default().checked_add(1)
    }
}

fn subject(orphan: &Orphan) -> String {
    format!("{} {}", orphan.kind.as_str(), orphan.name)
}

/// Acts on a host for a pod, under a lease.
struct Remover<'a> {
    host: &'a Host,
    sudo: bool,
    fence: FencedBy,
    cancel: &'a CancellationToken,
}

impl Remover<'_> {
    /// Runs a command that has to succeed; the error says how it failed.
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

    /// Stops a container and its restarts until it is removed, which a person can undo.
    async fn quarantine(&self, orphan: &Orphan) -> Result<(), String> {
        self.run(&self.docker(&["container", "stop", &orphan.key])).await?;
        self.run(&self.docker(&["container", "update", "--restart", "no", &orphan.key])).await
    }

    async fn remove(&self, orphan: &Orphan) -> Result<(), String> {
        self.run(&match orphan.kind {
            OrphanKind::Container => self.docker(&["container", "rm", "--force", "--volumes", &orphan.key]),
            OrphanKind::Network => self.docker(&["network", "rm", &orphan.key]),
            OrphanKind::Volume => self.docker(&["volume", "rm", &orphan.key]),
            // The guard removes the fence file after such a command.
            OrphanKind::Fence => Command::new("true").closes_fence(),
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
        let mut by_pod: BTreeMap<&str, Vec<(&Orphan, OrphanState)>> = BTreeMap::new();
        for orphan in orphans {
            let state = orphans::state(&self.db, &server.id, orphan, self.grace).await?;
            by_pod.entry(&orphan.pod_id).or_default().push((orphan, state));
        }
        if !self.dry_run {
            orphans::forget_others(&self.db, &server.id, orphans).await?;
        }
        // Fence files do not count: they hold no data, and a host may have collected many.
        let acted_on =
            orphans.iter().filter(|orphan| orphan.kind != OrphanKind::Fence).map(|orphan| orphan.pod_id.as_str());
        let pods: HashSet<_> = acted_on.collect();
        let stop = pods.len() > self.max_removals;
        if stop {
            report.stopped = Some(format!(
                "things of {} pods that the database does not account for are on this server, and more than {} are \
                 taken for a wrong database rather than for orphans; none of them is touched. To remove them, run \
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
                let what = "its fence file names a lease that no worker gave";
                report.add(format!("pod {pod_id}"), what, "left to a person");
                continue;
            };
            let fence = FencedBy { pod_id: pod_id.to_owned(), lease, clock: LeaseClock::new(Instant::now()) };
            let remover = Remover { host, sudo, fence, cancel };
            if !self.dry_run && !stop && things.iter().any(|(_, state)| *state != OrphanState::Waiting) {
                match raise_lease(&self.db, &server.id, pod_id, remover.fence.lease).await {
                    Err(error) if store::is_locked(&error) => {
                        report.add(format!("pod {pod_id}"), "it has left things on this server", LOCKED);
                        continue;
                    }
                    raised => raised?,
                }
            }
            for (orphan, state) in &things {
                let done =
                    if stop { "not touched".to_owned() } else { self.treat(server, &remover, orphan, *state).await? };
                report.add(subject(orphan), &orphan.why, done);
            }
            // Our own commands write a fence file where there was none.
            if !self.dry_run && !stop && things.iter().all(|(_, state)| *state == OrphanState::Due) {
                drop(remover.run(&Command::new("true").closes_fence()).await);
            }
        }
        Ok(())
    }

    async fn treat(
        &self,
        server: &Server,
        remover: &Remover<'_>,
        orphan: &Orphan,
        state: OrphanState,
    ) -> Result<String, sqlx::Error> {
        let remaining = format!("it is removed when it is seen again after {} s", self.grace.as_secs());
        let quarantined = if orphan.runs { "stopped it; " } else { "" };
        match state {
            OrphanState::Waiting => Ok(format!("quarantined; {remaining}")),
            _ if self.dry_run => Ok(match state {
                OrphanState::Due => "it would be removed".to_owned(),
                _ => format!("it would be {}quarantined", if orphan.runs { "stopped and " } else { "" }),
            }),
            OrphanState::New => {
                if orphan.runs
                    && let Err(error) = remover.quarantine(orphan).await
                {
                    return Ok(format!("it could not be quarantined: {error}"));
                }
                orphans::note(&self.db, &server.id, orphan).await?;
                Ok(format!("{quarantined}{remaining}"))
            }
            OrphanState::Due => match remover.remove(orphan).await {
                Ok(()) => {
                    metrics::counter!(ORPHANS_REMOVED, "kind" => orphan.kind.as_str()).increment(1);
                    Ok("removed it".to_owned())
                }
                Err(error) => Ok(format!("it could not be removed, which is tried again: {error}")),
            },
        }
    }
}
