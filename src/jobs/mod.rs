//! The kinds of jobs, one a file: when each makes sense, what it needs to know, and its plan, a list of steps. Beside them
//! is the execution of one job, from the claim to the last write. Knows no wakeup and no slot.

mod create;
mod destroy;
mod execution;
mod interrupt;
mod prepare;
mod restart;
mod retry;
mod start;
mod stop;
mod transition;

use crate::{
    model::{JobKind, PodStatus},
    steps::{
        CONTAINER, ENVIRONMENT, HEALTH, IMAGE, INSTALL, INSTALL_SERVICES, NETWORK, POST_START, PRE_START, PROCESSES,
        PROXY, Plan, REPOSITORY, SERVICES, START, Step, VOLUME,
    },
};
pub use execution::{JobOutcome, execute};
pub use interrupt::{Stop, StopReason};
pub use retry::delay_after;

/// What is particular to a kind of job.
#[derive(Debug, Clone, Copy)]
struct Job {
    kind: JobKind,
    plan: Plan,
    /// Whether it makes sense for a pod in a state. The flag says whether the pod has a server and a port: whether it was
    /// ever created, and that was not undone. The error says which job would make sense.
    check_state: fn(PodStatus, placed: bool) -> Result<(), String>,
    /// The keys that its payload may have.
    payload: &'static [&'static str],
    /// Whether it is refused where the pod's config or its secrets can't be used. Otherwise the defaults stand in.
    needs_config: bool,
    /// Whether it runs commands in the pod, which may print secrets.
    enters_pod: bool,
    /// Whether a pod that never ran is undone where it fails for the host's sake.
    undoes: bool,
}

/// From a pod that has its place to one that runs. Each step ensures its part, so this also repairs what was lost.
const UP: &[Step] = &[
    NETWORK,
    VOLUME,
    IMAGE,
    CONTAINER,
    START,
    PROXY,
    REPOSITORY,
    ENVIRONMENT,
    INSTALL_SERVICES,
    INSTALL,
    PRE_START,
    SERVICES,
    PROCESSES,
    HEALTH,
    POST_START,
];

fn job(kind: JobKind) -> &'static Job {
    match kind {
        JobKind::Create => &create::JOB,
        JobKind::Start => &start::JOB,
        JobKind::Stop => &stop::JOB,
        JobKind::Restart => &restart::JOB,
        JobKind::Destroy => &destroy::JOB,
    }
}

/// The steps of a kind of job, in their order.
pub fn steps_of(kind: JobKind) -> Vec<Step> {
    job(kind).plan.steps()
}

/// What no kind but a destroy makes sense for.
fn check_alive(kind: JobKind, status: PodStatus) -> Result<(), String> {
    match status {
        PodStatus::Terminated => Err(format!("cannot {kind} the pod: it was destroyed. Insert a new pod instead")),
        PodStatus::Terminating => {
            Err(format!("cannot {kind} the pod: it is being destroyed. Only another destroy would make sense"))
        }
        _ => Ok(()),
    }
}

/// What start, stop and restart ask for: a pod that was created.
fn check_created(kind: JobKind, status: PodStatus, placed: bool) -> Result<(), String> {
    check_alive(kind, status)?;
    match status {
        PodStatus::Pending => {
            Err(format!("cannot {kind} the pod: it was never created. Ask for a create, or for a destroy"))
        }
        _ if !placed => {
            Err(format!("cannot {kind} the pod: nothing of it is left on a host. Ask for a create, or for a destroy"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destroy_fits_every_pod_and_nothing_else_fits_a_destroyed_one() {
        let check_state = |kind, status, placed| (job(kind).check_state)(status, placed);
        let kinds = [JobKind::Create, JobKind::Start, JobKind::Stop, JobKind::Restart];
        assert!(check_state(JobKind::Destroy, PodStatus::Terminated, false).is_ok());
        for kind in kinds {
            let refusal = check_state(kind, PodStatus::Terminated, false).unwrap_err();
            assert!(refusal.contains(kind.as_str()) && refusal.contains("new pod"), "{refusal}");
            assert_eq!(job(kind).kind, kind);
        }
        assert!(check_state(JobKind::Stop, PodStatus::Pending, false).is_err());
        assert!(check_state(JobKind::Start, PodStatus::Failed, false).is_err());
        assert!(check_state(JobKind::Start, PodStatus::Failed, true).is_ok());
    }
}
