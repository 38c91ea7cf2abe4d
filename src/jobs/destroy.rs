//! All that is there of a pod goes; what is not there is done. It makes sense for a pod in any state.

use super::job::Job;
use crate::{
    model::{JobKind, PodStatus},
    steps::{Plan, REMOVE_CONTAINER, REMOVE_FENCE, REMOVE_NETWORK, REMOVE_VOLUME},
};

pub(super) const JOB: Job = Job {
    kind: JobKind::Destroy,
    plan: Plan {
        transitional: PodStatus::Terminating,
        parts: &[&[REMOVE_CONTAINER, REMOVE_NETWORK, REMOVE_VOLUME, REMOVE_FENCE]],
        target: PodStatus::Terminated,
    },
    precondition: |_, _| Ok(()),
    payload: &[],
    needs_config: false,
    enters_pod: false,
    undoes: false,
};
