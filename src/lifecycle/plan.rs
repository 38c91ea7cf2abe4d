//! What each kind of job does, at a glance: the state a pod goes through, the steps, the state it ends in.

use super::steps::Step::{
    self, Container, Environment, ForgetFence, Health, Image, Install, InstallServices, Network, Place, Port,
    PostStart, PreStart, Processes, Proxy, RemoveContainer, RemoveNetwork, RemoveVolume, Repository, Services, Start,
    Stop, Volume,
};
use crate::store::{jobs::JobKind, pods::PodStatus};

/// A lifecycle as a list.
#[derive(Debug)]
pub struct Plan {
    /// The pod's status while the job runs.
    pub passing: PodStatus,
    parts: &'static [&'static [Step]],
    /// The pod's status once it is done.
    pub reaching: PodStatus,
}

impl Plan {
    pub fn steps(&self) -> Vec<Step> {
        self.parts.concat()
    }
}

/// From a pod that has its place to one that runs. Each step ensures its part, so this also mends what was lost.
const UP: &[Step] = &[
    Network,
    Volume,
    Image,
    Container,
    Start,
    Proxy,
    Repository,
    Environment,
    InstallServices,
    Install,
    PreStart,
    Services,
    Processes,
    Health,
    PostStart,
];

const CREATE: Plan =
    Plan { passing: PodStatus::Provisioning, parts: &[&[Place, Port], UP], reaching: PodStatus::Running };

/// What a stopped pod holds in the database stays its own.
const START: Plan = Plan { passing: PodStatus::Starting, parts: &[UP], reaching: PodStatus::Running };

/// Container, volume, network and port stay.
const STOP: Plan = Plan { passing: PodStatus::Stopping, parts: &[&[Stop]], reaching: PodStatus::Stopped };

const RESTART: Plan = Plan { passing: PodStatus::Starting, parts: &[&[Stop], UP], reaching: PodStatus::Running };

/// Whatever is there goes; what is not there is done.
const DESTROY: Plan = Plan {
    passing: PodStatus::Terminating,
    parts: &[&[RemoveContainer, RemoveNetwork, RemoveVolume, ForgetFence]],
    reaching: PodStatus::Terminated,
};

/// The plan for a kind of job.
pub fn plan(kind: JobKind) -> &'static Plan {
    match kind {
        JobKind::Create => &CREATE,
        JobKind::Start => &START,
        JobKind::Stop => &STOP,
        JobKind::Restart => &RESTART,
        JobKind::Destroy => &DESTROY,
    }
}

/// Whether a kind of job fits a pod; otherwise a sentence that says what would. `placed` is whether the pod has a server
/// and a port: whether it was ever created and not undone.
pub fn fits(kind: JobKind, status: PodStatus, placed: bool) -> Result<(), String> {
    use PodStatus::{Pending, Terminated, Terminating};
    match (kind, status) {
        (JobKind::Destroy, _) => Ok(()),
        (_, Terminated) => Err(format!("cannot {kind} the pod: it was destroyed. Insert a new pod instead")),
        (_, Terminating) => {
            Err(format!("cannot {kind} the pod: it is being destroyed. Only another destroy would fit"))
        }
        (JobKind::Create, _) => Ok(()),
        (_, Pending) => Err(format!("cannot {kind} the pod: it was never created. A create would fit, or a destroy")),
        _ if !placed => {
            Err(format!("cannot {kind} the pod: nothing of it is left on a host. A create would fit, or a destroy"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destroy_fits_every_pod_and_nothing_else_fits_a_destroyed_one() {
        let kinds = [JobKind::Create, JobKind::Start, JobKind::Stop, JobKind::Restart];
        assert!(fits(JobKind::Destroy, PodStatus::Terminated, false).is_ok());
        for kind in kinds {
            let refusal = fits(kind, PodStatus::Terminated, false).unwrap_err();
            assert!(refusal.contains(kind.as_str()) && refusal.contains("new pod"), "{refusal}");
        }
        assert!(fits(JobKind::Stop, PodStatus::Pending, false).is_err());
        assert!(fits(JobKind::Start, PodStatus::Failed, false).is_err());
        assert!(fits(JobKind::Start, PodStatus::Failed, true).is_ok());
    }
}
