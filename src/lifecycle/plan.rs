//! What each kind of job does, at a glance: the state a pod goes through, the steps, the state it ends in.

use super::steps::Step::{
    self, Container, Environment, Health, Image, Install, InstallServices, Network, Place, Port, PostStart, PreStart,
    Processes, Proxy, RemoveContainer, RemoveFence, RemoveNetwork, RemoveVolume, Repository, Services, Start, Stop,
    Volume,
};
use crate::store::{jobs::JobKind, pods::PodStatus};

/// A lifecycle as a list.
#[derive(Debug)]
pub struct Plan {
    /// The pod's status while the job runs.
    pub transitional: PodStatus,
    parts: &'static [&'static [Step]],
    /// The pod's status once it is done.
    pub target: PodStatus,
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
    Plan { transitional: PodStatus::Provisioning, parts: &[&[Place, Port], UP], target: PodStatus::Running };

/// What a stopped pod holds in the database stays its own.
const START: Plan = Plan { transitional: PodStatus::Starting, parts: &[UP], target: PodStatus::Running };

/// Container, volume, network and port stay.
const STOP: Plan = Plan { transitional: PodStatus::Stopping, parts: &[&[Stop]], target: PodStatus::Stopped };

const RESTART: Plan = Plan { transitional: PodStatus::Starting, parts: &[&[Stop], UP], target: PodStatus::Running };

/// Whatever is there goes; what is not there is done.
const DESTROY: Plan = Plan {
    transitional: PodStatus::Terminating,
    parts: &[&[RemoveContainer, RemoveNetwork, RemoveVolume, RemoveFence]],
    target: PodStatus::Terminated,
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

/// Whether a kind of job check_state a pod; otherwise a sentence that says what would. `placed` is whether the pod has a server
/// and a port: whether it was ever created and not undone.
pub fn check_state(kind: JobKind, status: PodStatus, placed: bool) -> Result<(), String> {
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
        assert!(check_state(JobKind::Destroy, PodStatus::Terminated, false).is_ok());
        for kind in kinds {
            let refusal = check_state(kind, PodStatus::Terminated, false).unwrap_err();
            assert!(refusal.contains(kind.as_str()) && refusal.contains("new pod"), "{refusal}");
        }
        assert!(check_state(JobKind::Stop, PodStatus::Pending, false).is_err());
        assert!(check_state(JobKind::Start, PodStatus::Failed, false).is_err());
        assert!(check_state(JobKind::Start, PodStatus::Failed, true).is_ok());
    }
}
