//! What a job needs to know before its first step: the pod, its config, its secrets.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{job::Job, kind};
use crate::{
    podspec::{self, Catalog, PodSpec, SpecError},
    secrets::{PodSecret, open_all},
    steps::{Environment, StepContext, StepError},
    store::{
        jobs::Claimed,
        logs,
        pods::{self, Pod},
        secrets,
    },
};

/// Why a job is not begun.
pub(super) enum Refusal {
    /// It makes no sense for the pod's state: the job fails, the pod stays as it is.
    State(String),
    Error(StepError),
}

impl From<StepError> for Refusal {
    fn from(error: StepError) -> Self {
        Self::Error(error)
    }
}

/// A pod that a job can begin with, or the reason why it can't.
pub(super) struct Prepared {
    pub ctx: StepContext,
    /// Why the pod's config, its image or its secrets can't be used.
    pub unusable: Option<String>,
}

/// Reads what the job needs to know of its pod.
pub(super) async fn prepare(
    environment: &Environment,
    claimed: &Claimed,
    cancel: CancellationToken,
) -> Result<Prepared, Refusal> {
    let job = kind::of(claimed.kind);
    let pod = read_pod(environment, claimed, job).await?;
    let (spec, bad_config) = resolve(&pod, &environment.catalog)?;
    let (secrets, unreadable) = if job.enters_pod { read_secrets(environment, claimed).await? } else { (None, None) };
    let ctx = StepContext::new(environment.clone(), claimed.fence(), cancel, claimed.attempt, pod, spec, secrets);
    if job.enters_pod {
        let printed = logs::printed(&environment.db, &claimed.pod_id, &claimed.job_id).await;
        ctx.log_budget.spend(printed.map_err(StepError::from)?);
    }
    let unusable = unreadable.or_else(|| {
        bad_config
            .or_else(|| ctx.spec.project.check_environment(|name| ctx.has_secret(name)).err())
            .or_else(|| check_image(&ctx))
            .map(|error| error.to_string())
            .or_else(|| ctx.check_secrets().err())
    });
    Ok(Prepared { ctx, unusable: unusable.filter(|_| job.needs_config) })
}

/// Reads the pod, and checks that the job makes sense for it.
async fn read_pod(environment: &Environment, claimed: &Claimed, job: &Job) -> Result<Pod, Refusal> {
    let pod = pods::get(&environment.db, &claimed.pod_id).await.map_err(StepError::from)?;
    let pod = pod.ok_or_else(|| Refusal::State(format!("there is no pod {} any more", claimed.pod_id)))?;
    (job.precondition)(pod.status, pod.proxy_port.is_some()).map_err(Refusal::State)?;
    if let Some(key) = claimed.payload_key.as_deref().filter(|key| !job.payload.contains(key)) {
        return Err(Refusal::State(format!("payload.{key}: a {} job takes no payload; remove the key", job.kind)));
    }
    Ok(pod)
}

/// Why a container can't be made from the pod's image. One that is there already stays, whatever was allowed since.
fn check_image(ctx: &StepContext) -> Option<SpecError> {
    let images = &ctx.environment.catalog.images;
    ctx.pod.container_id.is_none().then(|| images.check(&ctx.spec.machine.base_image)).and_then(Result::err)
}

/// What the job has to give to the pod, and to keep out of its record; or why that can't be had.
async fn read_secrets(
    environment: &Environment,
    claimed: &Claimed,
) -> Result<(Option<Vec<PodSecret>>, Option<String>), StepError> {
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
    let empty = || podspec::resolve(&Value::Object(serde_json::Map::new()), catalog);
    let given = pod.config.0.as_ref().map_err(|reason| SpecError::unreadable(reason));
    match given.and_then(|config| podspec::resolve(config, catalog)) {
        Ok(spec) => Ok((spec, None)),
        Err(error) => Ok((empty().map_err(|error| StepError::fail(error.to_string()))?, Some(error))),
    }
}
