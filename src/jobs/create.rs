//! A pod is given its place and its port, and is brought up.

use super::{
    job::{Job, UP},
    precondition,
};
use crate::{
    model::{JobKind, PodStatus},
    steps::{PLACE, PORT, Plan},
};

pub(super) const JOB: Job = Job {
    kind: JobKind::Create,
    plan: Plan { transitional: PodStatus::Provisioning, parts: &[&[PLACE, PORT], UP], target: PodStatus::Running },
    precondition: |status, _| precondition::not_destroyed(JobKind::Create, status),
    payload: &[],
    needs_config: true,
    enters_pod: true,
    undoes: true,
};
