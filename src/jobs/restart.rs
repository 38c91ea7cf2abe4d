//! A pod stops, and is brought up again.

use super::{
    job::{Job, UP},
    precondition,
};
use crate::{
    model::{JobKind, PodStatus},
    steps::{Plan, STOP},
};

pub(super) const JOB: Job = Job {
    kind: JobKind::Restart,
    plan: Plan { transitional: PodStatus::Starting, parts: &[&[STOP], UP], target: PodStatus::Running },
    precondition: |status, placed| precondition::created(JobKind::Restart, status, placed),
    payload: &[],
    needs_config: true,
    enters_pod: true,
    undoes: false,
};
