//! A stopped pod is brought up again; its place and its port are its own since the create. A pod that runs is repaired.

use super::{
    job::{Job, UP},
    precondition,
};
use crate::{
    model::{JobKind, PodStatus},
    steps::Plan,
};

pub(super) const JOB: Job = Job {
    kind: JobKind::Start,
    plan: Plan { transitional: PodStatus::Starting, parts: &[UP], target: PodStatus::Running },
    precondition: |status, placed| precondition::created(JobKind::Start, status, placed),
    payload: &[],
    needs_config: true,
    enters_pod: true,
    undoes: false,
};
