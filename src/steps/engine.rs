//! Runs a list of steps, and takes it back.

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Decision, Ensured, Part, Plan, StepContext, StepError, Undo, processes};
use crate::{model::PodStatus, store::steps::StepEnd};

/// Runs the plan's steps in order. A step whose part is in place is skipped, so a job that is taken up again resumes at
/// the first that is not. `drain` stops it at the end of a step.
///
/// # Errors
/// The first step that could not be ensured, with what follows from it, and whose part it was.
pub async fn run_steps(plan: &Plan, ctx: &StepContext, drain: &CancellationToken) -> Result<(), (Part, StepError)> {
    let steps = plan.steps();
    let total = i32::try_from(steps.len()).unwrap_or(i32::MAX);
    ctx.progress.enter(plan.transitional, total).await;
    for (position, step) in (0..total).zip(steps) {
        if ctx.cancel.is_cancelled() || drain.is_cancelled() {
            return Err((
                step.part,
                StepError::new(Decision::Cancelled, "the job was cancelled or the worker is stopping"),
            ));
        }
        ctx.progress.begin(position, step.name).await;
        let span = tracing::info_span!("step", step.name, step.position = position);
        match (step.ensure)(ctx).instrument(span).await {
            Ok(Ensured::Changed) => ctx.progress.end(StepEnd::Succeeded).await,
            Ok(Ensured::Unchanged) => ctx.progress.end(StepEnd::Skipped).await,
            Err(error) => {
                let error = StepError { message: ctx.redactor.text(&error.message), ..error };
                ctx.progress.end(StepEnd::Failed(error.message.clone())).await;
                return Err((step.part, error));
            }
        }
    }
    if plan.target == PodStatus::Running {
        processes::note_ended_processes(ctx).await.map_err(|error| (Part::User, error))?;
    }
    Ok(())
}

/// Takes back what the plan's steps made, the last first. Stops at the first that can't be taken back, so that the
/// server and the port of what is left stay on record.
///
/// # Errors
/// What could not be taken back.
pub async fn undo(plan: &Plan, ctx: &StepContext) -> Result<(), StepError> {
    for step in plan.steps().into_iter().rev() {
        match step.undo {
            Undo::By(undo) => {
                undo(ctx).await.map_err(|error| error.while_doing(&format!("undoing {}", step.name)))?;
            }
            Undo::Needless(reason) => tracing::debug!("The step {} is not undone: {reason}.", step.name),
        }
    }
    Ok(())
}
