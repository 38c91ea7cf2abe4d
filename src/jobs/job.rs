//! What the kinds of jobs have in common.

use crate::{
    model::{JobKind, PodStatus},
    steps::{
        CONTAINER, ENVIRONMENT, HEALTH, IMAGE, INSTALL, INSTALL_SERVICES, NETWORK, POST_START, PRE_START, PROCESSES,
        PROXY, Plan, REPOSITORY, SERVICES, START, Step, VOLUME,
    },
};

/// What is particular to a kind of job.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub kind: JobKind,
    pub plan: Plan,
    /// Whether it makes sense for a pod in a state. The flag says whether the pod has a server and a port: whether it was
    /// ever created, and that was not undone. The error says which job would make sense.
    pub precondition: fn(PodStatus, placed: bool) -> Result<(), String>,
    /// The keys that its payload may have.
    pub payload: &'static [&'static str],
    /// Whether it is refused where the pod's config or its secrets can't be used. Otherwise the defaults stand in.
    pub needs_config: bool,
    /// Whether it runs commands in the pod, which may print secrets.
    pub enters_pod: bool,
    /// Whether a pod that never ran is undone where it fails for the host's sake.
    pub undoes: bool,
}

/// From a pod that has its place to one that runs. Each step ensures its part, so this also repairs what was lost.
pub const UP: &[Step] = &[
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
