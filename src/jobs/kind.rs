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
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::PodStatus;

    #[test]
    fn a_destroy_fits_every_pod_and_nothing_else_fits_a_destroyed_one() {
        let precondition = |kind, status, placed| (of(kind).precondition)(status, placed);
        let kinds = [JobKind::Create, JobKind::Start, JobKind::Stop, JobKind::Restart];
        assert!(precondition(JobKind::Destroy, PodStatus::Terminated, false).is_ok());
        for kind in kinds {
            let refusal = precondition(kind, PodStatus::Terminated, false).unwrap_err();
            assert!(refusal.contains(kind.as_str()) && refusal.contains("new pod"), "{refusal}");
            assert_eq!(of(kind).kind, kind);
        }
        assert!(precondition(JobKind::Stop, PodStatus::Pending, false).is_err());
        assert!(precondition(JobKind::Start, PodStatus::Failed, false).is_err());
        assert!(precondition(JobKind::Start, PodStatus::Failed, true).is_ok());
    }

    #[test]
    fn each_step_of_the_table_is_in_a_plan_under_a_name_of_its_own_and_says_how_it_is_undone() {
        let kinds = [JobKind::Create, JobKind::Start, JobKind::Stop, JobKind::Restart, JobKind::Destroy];
        let steps: Vec<_> = kinds.into_iter().flat_map(|kind| of(kind).plan.steps()).collect();
        let planned: BTreeSet<_> = steps.iter().map(|step| step.name).collect();
        let table = include_str!("../steps/table.rs").split("name: \"").skip(1);
        let names: Vec<_> = table.filter_map(|row| row.split('"').next()).collect();
        assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), planned);
        assert_eq!(names.len(), planned.len(), "two steps have one name: {names:?}");
        for (name, reason) in steps.iter().filter_map(|step| Some((step.name, step.needs_no_undo()?))) {
            let is_fragment = reason.contains(' ') && !reason.ends_with('.') && reason.trim() == reason;
            assert!(is_fragment, "{name} is not undone: {reason:?} does not say why");
        }
    }
}
