//! A pod stops: its services in order, then its container. Container, volumes, network and port stay.

use super::job::{Job, check_created};
use crate::{
    model::{JobKind, PodStatus},
    steps::{Plan, STOP},
};

pub(super) const JOB: Job = Job {
    kind: JobKind::Stop,
    plan: Plan { transitional: PodStatus::Stopping, parts: &[&[STOP]], target: PodStatus::Stopped },
    check_state: |status, placed| check_created(JobKind::Stop, status, placed),
    payload: &[],
    needs_config: false,
    enters_pod: true,
    undoes: false,
};
