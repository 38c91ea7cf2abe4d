//! One execution of one job, from the claim to the last write: what becomes of the job and of the pod.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    retry::delay_after,
    running::{Stop, StopReason},
};
use crate::{
    lifecycle::{self, Decision, Environment, Part, StepContext, StepError, check_state, plan},
    secrets::{PodSecret, open_all},
    spec::{self, Catalog, PodSpec, SpecError},
    store::{
        self, Fence, StoreError,
        jobs::{self, Claimed, JobKind, JobStatus},
        logs,
        pods::{self, Pod, PodStatus},
        secrets,
        steps::{Changes, Progress},
    },
};

/// How long an undo may take; the pod is `failed` after that, with what is left on record.
const UNDO_TIMEOUT: Duration = Duration::from_mins(5);
/// How long the services of a pod that is kept may take to start.
const OPEN_TIMEOUT: Duration = Duration::from_mins(5);
/// How soon a job that has to wait for others is looked at again.
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

/// What shall be written, once the work has ended.
enum Transition {
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

/// Runs a claimed job to its end. `drain` asks it to hand the job back at the end of a step.
pub async fn execute(
    environment: &Environment,
    claimed: &Claimed,
    stop: &Stop,
    drain: &CancellationToken,
) -> JobOutcome {
    if let Some(reason) = &claimed.cancel_reason {
        stop.because(StopReason::Cancelled(reason.clone()));
    }
    let (fence, attempt_is_last) = (claimed.fence(), claimed.attempt >= claimed.max_attempts);
    let work = async {
        let pod = prepare(environment, claimed).await?;
        let (spec, unusable) = resolve(&pod, &environment.catalog)?;
        let (secrets, unreadable) = secrets_for(environment, claimed).await?;
        let pod = StepContext::new(
            environment.clone(),
            fence.clone(),
            stop.token.clone(),
            claimed.attempt,
            pod,
            spec,
            secrets,
        );
        if claimed.kind != JobKind::Destroy {
            let printed = logs::printed(&environment.db, &claimed.pod_id, &claimed.job_id).await;
            pod.log_budget.spend(printed.map_err(StepError::from)?);
        }
        if claimed.attempt > claimed.max_attempts {
            return Ok((
                pod,
                Err((
                    Part::Hosts,
                    StepError::fail(
                        "the workers that ran this job stopped one after the other; it is not tried again. See their logs",
                    ),
                )),
            ));
        }
        let unusable = unreadable.or_else(|| {
            unusable
                .or_else(|| pod.spec.check_environment(|name| pod.has_secret(name)).err())
                .or_else(|| check_image(&pod))
                .map(|error| error.to_string())
                .or_else(|| pod.check_secrets().err())
        });
        if let Some(error) = unusable.filter(|_| !matches!(claimed.kind, JobKind::Stop | JobKind::Destroy)) {
            return Ok((pod, Err((Part::Hosts, StepError::fail(error)))));
        }
        let ran = lifecycle::run_steps(plan(claimed.kind), &pod, drain).await;
        Ok((pod, ran))
    };
    let (transition, progress) = match work.await {
        Err(Refusal::State(sentence)) => (Transition::Close(JobStatus::Failed, sentence), None),
        Err(Refusal::Error(error)) => (judge(&error, claimed, stop, drain, attempt_is_last), None),
        Ok((pod, Ok(()))) => (Transition::Succeed(plan(claimed.kind).target), Some(pod.progress)),
        Ok((mut pod, Err((part, error)))) => {
            let judge = || judge(&error, claimed, stop, drain, attempt_is_last);
            let progress = Arc::clone(&pod.progress);
            let mut transition = judge();
            if part == Part::Users && matches!(transition, Transition::Fail(JobStatus::Failed, _)) {
                pod = Box::pin(open(pod, stop)).await;
                // It may have been told to stop meanwhile.
                transition = match judge() {
                    Transition::Fail(JobStatus::Failed, error) => {
                        Transition::Keep(format!("{}{KEPT}", error.trim_end_matches('.')))
                    }
                    other => other,
                };
            }
            (Box::pin(settle(transition, claimed, pod)).await, Some(progress))
        }
    };
    let progress = progress.unwrap_or_else(|| Arc::new(Progress::new(claimed.attempt)));
    write(environment, &fence, &transition, &progress).await
}

enum Refusal {
    /// The kind does not fit the pod's state: the job fails, the pod stays as it is.
    State(String),
    Error(StepError),
}

impl From<StepError> for Refusal {
    fn from(error: StepError) -> Self {
        Self::Error(error)
    }
}

/// Reads the pod, and whether the job makes sense for it.
async fn prepare(environment: &Environment, claimed: &Claimed) -> Result<Pod, Refusal> {
    let pod = pods::get(&environment.db, &claimed.pod_id).await.map_err(StepError::from)?;
    let pod = pod.ok_or_else(|| Refusal::State(format!("there is no pod {} any more", claimed.pod_id)))?;
    check_state(claimed.kind, pod.status, pod.proxy_port.is_some()).map_err(Refusal::State)?;
    if let Some(key) = &claimed.payload_key {
        return Err(Refusal::State(format!("payload.{key}: a {} job takes no payload; remove the key", claimed.kind)));
    }
    Ok(pod)
}

/// Why a container can't be made from the pod's image. One that is there already stays, whatever was allowed since.
fn check_image(pod: &StepContext) -> Option<SpecError> {
    let images = &pod.environment.catalog.images;
    pod.pod.container_id.is_none().then(|| images.check(&pod.spec.base_image)).and_then(Result::err)
}

/// What the job has to give to the pod, or to keep out of its record; or why that can't be had. A destroy runs nothing in
/// the pod, and a stop does without where they are not known.
async fn secrets_for(
    environment: &Environment,
    claimed: &Claimed,
) -> Result<(Option<Vec<PodSecret>>, Option<String>), StepError> {
    if claimed.kind == JobKind::Destroy {
        return Ok((None, None));
    }
    let Some(stored) = secrets::of_pod(&environment.db, &claimed.pod_id).await? else {
        let what = "are more than 1 MiB, or more than 4096";
        let pod_id = &claimed.pod_id;
        return Ok((
            None,
            Some(format!("the secrets of pod {pod_id} {what}; delete some from pod_secrets, and requeue the pod")),
        ));
    };
    let (keys, pod_id) = (Arc::clone(&environment.keys), claimed.pod_id.clone());
    let opened = tokio::task::spawn_blocking(move || open_all(&keys, &pod_id, stored)).await;
    match opened.map_err(|error| StepError::retry(format!("the secrets could not be opened: {error}")))? {
        Ok(secrets) => Ok((Some(secrets), None)),
        Err(unopened) => Ok((None, Some(unopened.to_string()))),
    }
}

/// The pod's config, parsed. What is there is stopped or removed whatever the config says by now, so for that the
/// defaults stand in for one that can't be used.
fn resolve(pod: &Pod, catalog: &Catalog) -> Result<(PodSpec, Option<SpecError>), StepError> {
    let empty = || spec::resolve(&Value::Object(serde_json::Map::new()), catalog);
    let given = pod.config.0.as_ref().map_err(|reason| SpecError::unreadable(reason));
    match given.and_then(|config| spec::resolve(config, catalog)) {
        Ok(spec) => Ok((spec, None)),
        Err(error) => Ok((empty().map_err(|error| StepError::fail(error.to_string()))?, Some(error))),
    }
}

fn judge(
    error: &StepError,
    claimed: &Claimed,
    stop: &Stop,
    drain: &CancellationToken,
    attempt_is_last: bool,
) -> Transition {
    let message = error.message.clone();
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

/// What to do about a pod that is kept.
const KEPT: &str = ". What was made is kept: look at it in the pod's terminal, then requeue the pod, or destroy it";

/// Starts the services of a pod that failed in its user's part, so that the user can look at it.
async fn open(pod: StepContext, stop: &Stop) -> StepContext {
    // Time is up for the job, and not for this.
    let pod = if stop.reason().is_some() { pod.with_cancel(CancellationToken::new()) } else { pod };
    drop(tokio::time::timeout(OPEN_TIMEOUT, lifecycle::open(&pod)).await);
    pod
}

/// Cleans up where the job will not be tried again: a create of a pod that never ran is undone, unless a destroy does
/// that anyway. A pod that once ran keeps all it has, its user's data above all.
async fn settle(transition: Transition, claimed: &Claimed, pod: StepContext) -> Transition {
    let Transition::Fail(ended, error) = transition else { return transition };
    let db = pod.db();
    if ended == JobStatus::Cancelled && jobs::destroy_follows(db, &claimed.pod_id).await.unwrap_or(false) {
        return Transition::Close(ended, error);
    }
    if claimed.kind != JobKind::Create || pod.pod.last_started_at.is_some() {
        return Transition::Fail(ended, error);
    }
    let stopped = CancellationToken::new();
    let pod = pod.with_cancel(stopped.clone());
    let undone = tokio::time::timeout(UNDO_TIMEOUT, lifecycle::undo(plan(claimed.kind), &pod)).await;
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

/// Writes the transition. The database may be away for a moment; the work that was done is worth some patience.
async fn write(environment: &Environment, fence: &Fence, transition: &Transition, progress: &Progress) -> JobOutcome {
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
