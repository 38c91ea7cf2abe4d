//! `PodManager`: create, start, stop, restart and destroy as lists of steps ([`plan`]), and the engine that walks them.
//!
//! This module says *what*; the managers beneath say *how* and the host says *where*. None of them knows the queue.

mod error;
pub mod plan;
pub mod pod;
mod steps;

pub use error::{Decision, StepError};
pub use plan::{Plan, check_state, plan};
pub use pod::{Environment, StepContext};
use steps::Ensured;
pub use steps::Part;
use tokio_util::sync::CancellationToken;

use crate::store::{pods::PodStatus, steps::StepEnd};

/// Walks the plan's steps in order. A step that is in place is skipped, so a job that is taken up again resumes at the
/// first one that is not. `drain` stops it at the end of a step.
///
/// # Errors
/// The first step that could not be ensured, with what follows from it, and in whose part it was.
pub async fn run_steps(plan: &Plan, pod: &StepContext, drain: &CancellationToken) -> Result<(), (Part, StepError)> {
    let steps = plan.steps();
    let total = i32::try_from(steps.len()).unwrap_or(i32::MAX);
    pod.progress.enter(plan.transitional, total).await;
    for (position, step) in (0..total).zip(steps) {
        if pod.cancel.is_cancelled() || drain.is_cancelled() {
            let message = "the job was told to stop".to_owned();
            return Err((step.part(), StepError { decision: Decision::Cancelled, message }));
        }
        pod.progress.begin(position, step.name()).await;
        match step.ensure(pod).await {
            Ok(Ensured::Changed) => pod.progress.end(StepEnd::Succeeded).await,
            Ok(Ensured::Unchanged) => pod.progress.end(StepEnd::Skipped).await,
            Err(error) => {
                let error = StepError { message: pod.redactor.text(&error.message), ..error };
                pod.progress.end(StepEnd::Failed(error.message.clone())).await;
                return Err((step.part(), error));
            }
        }
    }
    if plan.target == PodStatus::Running {
        steps::note_ended_processes(pod).await.map_err(|error| (Part::Users, error))?;
    }
    Ok(())
}

/// Starts what a person looks into a pod with, where a job has failed before it came to that. What can't be started is
/// left.
pub async fn open(pod: &StepContext) {
    steps::open(pod).await;
}

/// Takes back what the plan's steps made, the last first. Stops at the first that can't be taken back, so that the
/// server and the port of what is left stay on record.
///
/// # Errors
/// What could not be taken back.
pub async fn undo(plan: &Plan, pod: &StepContext) -> Result<(), StepError> {
    for step in plan.steps().into_iter().rev() {
        if let Some(undone) = step.undo(pod).await {
            undone.map_err(|error| error.while_doing(&format!("undoing {}", step.name())))?;
        }
    }
    Ok(())
}
