//! What becomes of a job and its pod once the work has ended, and the write that says so.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio_util::sync::CancellationToken;

use super::{Stop, StopReason, retry::delay_after};
use crate::{
    model::{Fence, JobStatus, PodStatus},
    steps::{Decision, Environment, StepError},
    store::{
        self, StoreError,
        jobs::{self, Claimed},
        steps::{Changes, Progress},
    },
};

/// How soon a job that has to wait for others is tried again.
const DEFERRAL: Duration = Duration::from_secs(1);
/// A last write is tried until the lease is surely lost.
const LAST_WRITE_RETRIES: usize = 8;

/// How an execution ended, for the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    Succeeded,
    Failed,
    Cancelled,
    Retrying,
    Released,
    /// It waits for others.
    Deferred,
    /// Another worker has the pod.
    Fenced,
}

impl JobOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Retrying => "retrying",
            Self::Released => "handed back",
            Self::Deferred => "deferred",
            Self::Fenced => "fenced",
        }
    }
}

/// What is written once the work has ended.
pub(super) enum Transition {
    Succeed(PodStatus),
    Retry(Duration, String),
    Defer(String),
    /// The pod is `failed`.
    Fail(JobStatus, String),
    /// The pod is `failed`, and runs on.
    Keep(String),
    /// The pod stays as it is.
    Close(JobStatus, String),
    Release,
    Nothing,
}

/// What follows from an error, and from a stop that was asked for meanwhile.
pub(super) fn judge(error: &StepError, claimed: &Claimed, stop: &Stop, drain: &CancellationToken) -> Transition {
    let (message, attempt_is_last) = (error.message.clone(), claimed.attempt >= claimed.max_attempts);
    match (error.decision, stop.reason()) {
        (Decision::Fenced, _) | (_, Some(StopReason::LeaseLost)) => Transition::Nothing,
        (_, Some(StopReason::Cancelled(reason))) => Transition::Fail(JobStatus::Cancelled, reason),
        (_, Some(StopReason::Deadline)) => Transition::Fail(
            JobStatus::Failed,
            format!("the {} did not finish within the time a job may take (JOB_TIMEOUT)", claimed.kind),
        ),
        (_, Some(StopReason::Shutdown)) => Transition::Release,
        (Decision::Cancelled, None) if drain.is_cancelled() => Transition::Release,
        (Decision::Defer, None) => Transition::Defer(message),
        (Decision::Retry | Decision::Cancelled, None) if !attempt_is_last => {
            Transition::Retry(delay_after(claimed.attempt), message)
        }
        (Decision::Retry, None) => {
            Transition::Fail(JobStatus::Failed, format!("{message} (gave up after {} attempts)", claimed.attempt))
        }
        (Decision::Fail | Decision::Cancelled, None) => Transition::Fail(JobStatus::Failed, message),
    }
}

/// Writes the transition. The database may be away for a moment; the work that was done is worth some patience.
pub(super) async fn write(
    environment: &Environment,
    fence: &Fence,
    transition: &Transition,
    progress: &Progress,
) -> JobOutcome {
    let db = &environment.db;
    let write = || async {
        let steps = match transition {
            Transition::Succeed(_) | Transition::Fail(..) | Transition::Keep(_) => progress.changes().await,
            Transition::Nothing => return Ok(JobOutcome::Fenced),
            Transition::Retry(..) | Transition::Defer(_) | Transition::Close(..) | Transition::Release => {
                progress.write(db, fence).await?;
                Changes::default()
            }
        };
        match transition {
            Transition::Succeed(pod) => jobs::succeed(db, fence, *pod, &steps).await.map(|()| JobOutcome::Succeeded),
            Transition::Retry(delay, error) => {
                jobs::retry(db, fence, *delay, error).await.map(|()| JobOutcome::Retrying)
            }
            Transition::Defer(reason) => jobs::defer(db, fence, DEFERRAL, reason).await.map(|()| JobOutcome::Deferred),
            Transition::Fail(ended, error) => jobs::fail(db, fence, *ended, error, &steps).await.map(|()| of(*ended)),
            Transition::Keep(error) => jobs::keep(db, fence, error, &steps).await.map(|()| JobOutcome::Failed),
            Transition::Close(ended, error) => jobs::close(db, fence, *ended, error).await.map(|()| of(*ended)),
            Transition::Release => jobs::release(db, fence).await.map(|()| JobOutcome::Released),
            Transition::Nothing => Ok(JobOutcome::Fenced),
        }
    };
    let written = (|| store::when_unlocked(&write))
        .retry(ExponentialBuilder::default().with_max_times(LAST_WRITE_RETRIES))
        .when(|error| matches!(error, StoreError::Database(_)) && environment.lease.is_valid())
        .await;
    written.unwrap_or_else(|error| {
        tracing::warn!(job.id = %fence.job_id, pod.id = %fence.pod_id, %error,
            "The end of job {} could not be written; another worker takes it up.", fence.job_id);
        JobOutcome::Fenced
    })
}

fn of(ended: JobStatus) -> JobOutcome {
    if ended == JobStatus::Cancelled { JobOutcome::Cancelled } else { JobOutcome::Failed }
}
