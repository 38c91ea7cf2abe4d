//! Which file is which kind of job.

use super::{create, destroy, job::Job, restart, start, stop};
use crate::model::JobKind;

pub fn of(kind: JobKind) -> &'static Job {
    match kind {
        JobKind::Create => &create::JOB,
        JobKind::Start => &start::JOB,
        JobKind::Stop => &stop::JOB,
        JobKind::Restart => &restart::JOB,
        JobKind::Destroy => &destroy::JOB,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodStatus;

    #[test]
    fn a_destroy_fits_every_pod_and_nothing_else_fits_a_destroyed_one() {
        let check_state = |kind, status, placed| (of(kind).check_state)(status, placed);
        let kinds = [JobKind::Create, JobKind::Start, JobKind::Stop, JobKind::Restart];
        assert!(check_state(JobKind::Destroy, PodStatus::Terminated, false).is_ok());
        for kind in kinds {
            let refusal = check_state(kind, PodStatus::Terminated, false).unwrap_err();
            assert!(refusal.contains(kind.as_str()) && refusal.contains("new pod"), "{refusal}");
            assert_eq!(of(kind).kind, kind);
        }
        assert!(check_state(JobKind::Stop, PodStatus::Pending, false).is_err());
        assert!(check_state(JobKind::Start, PodStatus::Failed, false).is_err());
        assert!(check_state(JobKind::Start, PodStatus::Failed, true).is_ok());
    }
}
