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
    lifecycle::{self, Decision, Part, PodAtWork, StepError, Tools, fits, plan},
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
pub enum Ended {
    Succeeded,
    Failed,
    Cancelled,
    Retrying,
    HandedBack,
    /// It waits for others.
    Deferred,
    /// Another worker has the pod.
    Fenced,
}

impl Ended {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Retrying => "retrying",
            Self::HandedBack => "handed back",
            Self::Deferred => "deferred",
            Self::Fenced => "fenced",
        }
    }
}

/// What shall be written, once the work has ended.
enum Verdict {
    Succeed(PodStatus),
    Retry(Duration, String),
    Defer(String),
    /// The pod is `failed`.
    Fail(JobStatus, String),
    /// The pod is `failed`, and runs on.
    Keep(String),
    /// The pod stays as it is.
    Close(JobStatus, String),
    HandBack,
    Nothing,
}

/// Runs a claimed job to its end. `drain` asks it to hand the job back at the end of a step.
pub async fn execute(tools: &Tools, claimed: &Claimed, stop: &Stop, drain: &CancellationToken) -> Ended {
    if let Some(reason) = &claimed.cancel_reason {
        stop.because(StopReason::Cancelled(reason.clone()));
    }
    let (fence, attempt_is_last) = (claimed.fence(), claimed.attempt >= claimed.max_attempts);
    let work = async {
        let pod = prepare(tools, claimed).await?;
        let (spec, unusable) = resolve(&pod, &tools.catalog)?;
        let (secrets, unreadable) = secrets_for(tools, claimed).await?;
        let pod = PodAtWork::new(tools.clone(), fence.clone(), stop.token.clone(), claimed.attempt, pod, spec, secrets);
        if claimed.kind != JobKind::Destroy {
            let printed = logs::printed(&tools.db, &claimed.pod_id, &claimed.job_id).await;
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
        let walked = lifecycle::walk(plan(claimed.kind), &pod, drain).await;
        Ok((pod, walked))
    };
    let (verdict, progress) = match work.await {
        Err(Refusal::Unfit(sentence)) => (Verdict::Close(JobStatus::Failed, sentence), None),
        Err(Refusal::Error(error)) => (judge(&error, claimed, stop, drain, attempt_is_last), None),
        Ok((pod, Ok(()))) => (Verdict::Succeed(plan(claimed.kind).reaching), Some(pod.progress)),
        Ok((mut pod, Err((part, error)))) => {
            let judge = || judge(&error, claimed, stop, drain, attempt_is_last);
            let progress = Arc::clone(&pod.progress);
            let mut verdict = judge();
            if part == Part::Users && matches!(verdict, Verdict::Fail(JobStatus::Failed, _)) {
                pod = Box::pin(open(pod, stop)).await;
                // It may have been told to stop meanwhile.
                verdict = match judge() {
                    Verdict::Fail(JobStatus::Failed, error) => {
                        Verdict::Keep(format!("{}{KEPT}", error.trim_end_matches('.')))
                    }
                    other => other,
                };
            }
            (Box::pin(settle(verdict, claimed, pod)).await, Some(progress))
        }
    };
    let progress = progress.unwrap_or_else(|| Arc::new(Progress::new(claimed.attempt)));
    write(tools, &fence, &verdict, &progress).await
}

enum Refusal {
    /// The kind does not fit the pod's state: the job fails, the pod stays as it is.
    Unfit(String),
    Error(StepError),
}

impl From<StepError> for Refusal {
    fn from(error: StepError) -> Self {
        Self::Error(error)
    }
}

/// Reads the pod, and whether the job makes sense for it.
async fn prepare(tools: &Tools, claimed: &Claimed) -> Result<Pod, Refusal> {
    let pod = pods::get(&tools.db, &claimed.pod_id).await.map_err(StepError::from)?;
    let pod = pod.ok_or_else(|| Refusal::Unfit(format!("there is no pod {} any more", claimed.pod_id)))?;
    fits(claimed.kind, pod.status, pod.proxy_port.is_some()).map_err(Refusal::Unfit)?;
    if let Some(key) = &claimed.payload_key {
        return Err(Refusal::Unfit(format!("payload.{key}: a {} job takes no payload; remove the key", claimed.kind)));
    }
    Ok(pod)
}

/// Why a container can't be made from the pod's image. One that is there already stays, whatever was allowed since.
fn check_image(pod: &PodAtWork) -> Option<SpecError> {
    let images = &pod.tools.catalog.images;
    pod.pod.container_id.is_none().then(|| images.check(&pod.spec.base_image)).and_then(Result::err)
}

/// What the job has to give to the pod, or to keep out of its record; or why that can't be had. A destroy runs nothing in
/// the pod, and a stop does without where they are not known.
async fn secrets_for(tools: &Tools, claimed: &Claimed) -> Result<(Option<Vec<PodSecret>>, Option<String>), StepError> {
    if claimed.kind == JobKind::Destroy {
        return Ok((None, None));
    }
    let Some(stored) = secrets::of_pod(&tools.db, &claimed.pod_id).await? else {
        let what = "are more than 1 MiB, or more than 4096";
        let pod_id = &claimed.pod_id;
        return Ok((
            None,
            Some(format!("the secrets of pod {pod_id} {what}; delete some from pod_secrets, and requeue the pod")),
        ));
    };
    let (keys, pod_id) = (Arc::clone(&tools.keys), claimed.pod_id.clone());
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
) -> Verdict {
    let message = error.message.clone();
    match (error.decision, stop.reason()) {
        (Decision::Fenced, _) | (_, Some(StopReason::LeaseLost)) => Verdict::Nothing,
        (_, Some(StopReason::Cancelled(reason))) => Verdict::Fail(JobStatus::Cancelled, reason),
        (_, Some(StopReason::Deadline)) => Verdict::Fail(
            JobStatus::Failed,
            format!("the {} did not finish within the time a job may take (JOB_TIMEOUT)", claimed.kind),
        ),
        (_, Some(StopReason::Shutdown)) => Verdict::HandBack,
        (Decision::Cancelled, None) if drain.is_cancelled() => Verdict::HandBack,
        (Decision::Defer, None) => Verdict::Defer(message),
        (Decision::Retry | Decision::Cancelled, None) if !attempt_is_last => {
            Verdict::Retry(delay_after(claimed.attempt), message)
        }
        (Decision::Retry, None) => {
            Verdict::Fail(JobStatus::Failed, format!("{message} (gave up after {} attempts)", claimed.attempt))
        }
        (Decision::Fail | Decision::Cancelled, None) => Verdict::Fail(JobStatus::Failed, message),
    }
}

/// What to do about a pod that is kept.
const KEPT: &str = ". What was made is kept: look at it in the pod's terminal, then requeue the pod, or destroy it";

/// Starts the services of a pod that failed in its user's part, so that the user can look at it.
async fn open(pod: PodAtWork, stop: &Stop) -> PodAtWork {
    // Time is up for the job, and not for this.
    let pod = if stop.reason().is_some() { pod.with_cancel(CancellationToken::new()) } else { pod };
    drop(tokio::time::timeout(OPEN_TIMEOUT, lifecycle::open(&pod)).await);
    pod
}

/// Cleans up where the job will not be tried again: a create of a pod that never ran is undone, unless a destroy does
/// that anyway. A pod that once ran keeps all it has, its user's data above all.
async fn settle(verdict: Verdict, claimed: &Claimed, pod: PodAtWork) -> Verdict {
    let Verdict::Fail(ended, error) = verdict else { return verdict };
    let db = pod.db();
    if ended == JobStatus::Cancelled && jobs::destroy_follows(db, &claimed.pod_id).await.unwrap_or(false) {
        return Verdict::Close(ended, error);
    }
    if claimed.kind != JobKind::Create || pod.pod.last_started_at.is_some() {
        return Verdict::Fail(ended, error);
    }
    let stopped = CancellationToken::new();
    let pod = pod.with_cancel(stopped.clone());
    let undone = tokio::time::timeout(UNDO_TIMEOUT, lifecycle::undo(plan(claimed.kind), &pod)).await;
    let left = match undone {
        Ok(Ok(())) => return Verdict::Fail(ended, error),
        Ok(Err(undo)) if undo.decision == Decision::Fenced => return Verdict::Nothing,
        Ok(Err(undo)) => undo.to_string(),
        Err(_) => {
            stopped.cancel();
            format!("the undo took longer than {} s", UNDO_TIMEOUT.as_secs())
        }
    };
    Verdict::Fail(ended, format!("{error}. What was made is not all removed yet ({left}); destroy or requeue the pod"))
}

/// Writes the verdict. The database may be away for a moment; the work that was done is worth some patience.
async fn write(tools: &Tools, fence: &Fence, verdict: &Verdict, progress: &Progress) -> Ended {
    let db = &tools.db;
    let write = || async {
        let steps = match verdict {
            Verdict::Succeed(_) | Verdict::Fail(..) | Verdict::Keep(_) => progress.changes().await,
            Verdict::Nothing => return Ok(Ended::Fenced),
            Verdict::Retry(..) | Verdict::Defer(_) | Verdict::Close(..) | Verdict::HandBack => {
                progress.write(db, fence).await?;
                Changes::default()
            }
        };
        match verdict {
            Verdict::Succeed(pod) => jobs::succeed(db, fence, *pod, &steps).await.map(|()| Ended::Succeeded),
            Verdict::Retry(delay, error) => jobs::retry(db, fence, *delay, error).await.map(|()| Ended::Retrying),
            Verdict::Defer(reason) => jobs::defer(db, fence, DEFERRAL, reason).await.map(|()| Ended::Deferred),
            Verdict::Fail(ended, error) => jobs::fail(db, fence, *ended, error, &steps).await.map(|()| of(*ended)),
            Verdict::Keep(error) => jobs::keep(db, fence, error, &steps).await.map(|()| Ended::Failed),
            Verdict::Close(ended, error) => jobs::close(db, fence, *ended, error).await.map(|()| of(*ended)),
            Verdict::HandBack => jobs::hand_back(db, fence).await.map(|()| Ended::HandedBack),
            Verdict::Nothing => Ok(Ended::Fenced),
        }
    };
    let written = (|| store::when_unlocked(&write))
        .retry(ExponentialBuilder::default().with_max_times(LAST_WRITE_RETRIES))
        .when(|error| matches!(error, StoreError::Database(_)) && tools.lease.is_valid())
        .await;
    written.unwrap_or_else(|error| {
        tracing::warn!(job.id = %fence.job_id, pod.id = %fence.pod_id, %error,
            "The end of job {} could not be written; another worker takes it up.", fence.job_id);
        Ended::Fenced
    })
}

fn of(ended: JobStatus) -> Ended {
    if ended == JobStatus::Cancelled { Ended::Cancelled } else { Ended::Failed }
}
