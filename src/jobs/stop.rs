//! A pod stops: its services in order, then its container. Container, volumes, network and port stay.

use super::{job::Job, precondition};
use crate::{
    model::{JobKind, PodStatus},
    steps::{Plan, STOP},
};

pub(super) const JOB: Job = Job {
    kind: JobKind::Stop,
    plan: Plan { transitional: PodStatus::Stopping, parts: &[&[STOP]], target: PodStatus::Stopped },
    precondition: |status, placed| precondition::created(JobKind::Stop, status, placed),
    payload: &[],
    needs_config: false,
    enters_pod: true,
    undoes: false,
};
