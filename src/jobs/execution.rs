//! One execution of one job, from the claim to the last write.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    Stop, StopReason,
    job::Job,
    kind,
    outcome::{JobOutcome, Transition, judge, write},
    prepare::{Prepared, Refusal, prepare},
};
use crate::{
    model::JobStatus,
    steps::{self, Decision, Environment, Part, StepContext, StepError},
    store::{
        jobs::{self, Claimed},
        steps::Progress,
    },
};

/// How long an undo may take; the pod is `failed` after that, with what is left on record.
const UNDO_TIMEOUT: Duration = Duration::from_mins(5);
/// How long the services of a pod that is kept may take to start.
const OPEN_TIMEOUT: Duration = Duration::from_mins(5);

/// Runs a claimed job to its end. `drain` asks it to give the job back at the end of a step.
pub async fn execute(
    environment: &Environment,
    claimed: &Claimed,
    stop: &Stop,
    drain: &CancellationToken,
) -> JobOutcome {
    if let Some(reason) = &claimed.cancel_reason {
        stop.because(StopReason::Cancelled(reason.clone()));
    }
    let (job, nothing_done) = (kind::of(claimed.kind), || Arc::new(Progress::new(claimed.attempt)));
    let (transition, progress) = match prepare(environment, claimed, stop.token.clone()).await {
        Err(Refusal::State(sentence)) => (Transition::Close(JobStatus::Failed, sentence), nothing_done()),
        Err(Refusal::Error(error)) => (judge(&error, claimed, stop, drain), nothing_done()),
        Ok(prepared) => {
            let progress = Arc::clone(&prepared.ctx.progress);
            (Box::pin(work(job, prepared, claimed, stop, drain)).await, progress)
        }
    };
    write(environment, &claimed.fence(), &transition, &progress).await
}

/// Runs the plan of a job, and what follows where it fails.
async fn work(job: &Job, prepared: Prepared, claimed: &Claimed, stop: &Stop, drain: &CancellationToken) -> Transition {
    let Prepared { ctx, unusable } = prepared;
    let ran = if claimed.attempt > claimed.max_attempts {
        let gave_up =
            "the workers that ran this job stopped one after the other; it is not tried again. See their logs";
        Err((Part::Host, StepError::fail(gave_up)))
    } else if let Some(error) = unusable {
        Err((Part::Host, StepError::fail(error)))
    } else {
        steps::run_steps(&job.plan, &ctx, drain).await
    };
    let Err((part, error)) = ran else { return Transition::Succeed(job.plan.target) };
    log(job, claimed, &error);
    let transition = judge(&error, claimed, stop, drain);
    if part == Part::Host || !matches!(transition, Transition::Fail(JobStatus::Failed, _)) {
        return settle(transition, job, ctx).await;
    }
    let ctx = open(ctx, stop).await;
    // A cancel may have come meanwhile.
    match judge(&error, claimed, stop, drain) {
        Transition::Fail(JobStatus::Failed, error) => {
            Transition::Keep(format!("{}{KEPT}", error.trim_end_matches('.')))
        }
        other => settle(other, job, ctx).await,
    }
}

/// With what the error comes from.
fn log(job: &Job, claimed: &Claimed, error: &(dyn std::error::Error + 'static)) {
    tracing::info!(error, "The {} of pod {} has stopped at a step.", job.kind, claimed.pod_id);
}

/// What to do about a pod that is kept.
const KEPT: &str = ". What was made is kept: look at it in the pod's terminal, then requeue the pod, or destroy it";

/// Starts the services of a pod that failed in its user's part, so that the user can look at it.
async fn open(ctx: StepContext, stop: &Stop) -> StepContext {
    // Time is up for the job, and not for this.
    let ctx = if stop.reason().is_some() { ctx.with_cancel(CancellationToken::new()) } else { ctx };
    drop(tokio::time::timeout(OPEN_TIMEOUT, steps::open(&ctx)).await);
    ctx
}

/// Cleans up where the job will not be tried again: what was made of a pod that never ran is undone, unless a destroy
/// follows, which does the same. A pod that once ran keeps all it has, its user's data above all.
async fn settle(transition: Transition, job: &Job, ctx: StepContext) -> Transition {
    let Transition::Fail(ended, error) = transition else { return transition };
    let db = ctx.db();
    if ended == JobStatus::Cancelled && jobs::destroy_follows(db, &ctx.fence.pod_id).await.unwrap_or(false) {
        return Transition::Close(ended, error);
    }
    if !job.undoes || ctx.pod.last_started_at.is_some() {
        return Transition::Fail(ended, error);
    }
    let stopped = CancellationToken::new();
    let ctx = ctx.with_cancel(stopped.clone());
    let undone = tokio::time::timeout(UNDO_TIMEOUT, steps::undo(&job.plan, &ctx)).await;
    let left = match undone {
        Ok(Ok(())) => return Transition::Fail(ended, error),
        Ok(Err(undo)) if undo.decision == Decision::Fenced => return Transition::Nothing,
        Ok(Err(undo)) => undo.to_string(),
        Err(_) => {
            stopped.cancel();
            format!("the undo took longer than {} s", UNDO_TIMEOUT.as_secs())
        }
    };
    Transition::Fail(
        ended,
        format!("{error}. What was made is not all removed yet ({left}); destroy or requeue the pod"),
    )
}
