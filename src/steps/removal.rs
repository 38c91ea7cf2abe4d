//! The steps that remove what is on the host, and the undo of those that made it.

use super::{Decision, Ensured, StepContext, StepError, host::ask};
use crate::store::pods;

/// Takes something back from the host. Nothing is made there before the pod's port is on record, so where there is
/// none, a host that can't be reached is no reason to keep the pod.
async fn take_back(
    ctx: &StepContext,
    work: impl Future<Output = Result<Ensured, StepError>>,
) -> Result<Ensured, StepError> {
    match work.await {
        Err(StepError { decision: Decision::Retry | Decision::Fail, .. }) if !ctx.holds_port() => {
            Ok(Ensured::Unchanged)
        }
        ended => ended,
    }
}

pub async fn remove_container(ctx: &StepContext) -> Result<Ensured, StepError> {
    let remove = async {
        let Some(pod_host) = ctx.pod_host_if_placed().await? else { return Ok(Ensured::Unchanged) };
        let removed = ask!(pod_host, "removing the container", pod_host.runtime.remove_containers());
        pods::set_container(ctx.db(), &ctx.fence, None).await?;
        Ok(Ensured::by(removed))
    };
    take_back(ctx, remove).await
}

pub async fn remove_network(ctx: &StepContext) -> Result<Ensured, StepError> {
    let remove = async {
        let Some(pod_host) = ctx.pod_host_if_placed().await? else { return Ok(Ensured::Unchanged) };
        Ok(Ensured::by(ask!(pod_host, "removing the network", pod_host.runtime.remove_networks())))
    };
    take_back(ctx, remove).await
}

pub async fn remove_volume(ctx: &StepContext) -> Result<Ensured, StepError> {
    let remove = async {
        let Some(pod_host) = ctx.pod_host_if_placed().await? else { return Ok(Ensured::Unchanged) };
        Ok(Ensured::by(ask!(pod_host, "removing the volumes", pod_host.runtime.remove_volumes())))
    };
    take_back(ctx, remove).await
}

pub async fn remove_fence(ctx: &StepContext) -> Result<Ensured, StepError> {
    let forget = async {
        let Some(pod_host) = ctx.pod_host_if_placed().await? else { return Ok(Ensured::Unchanged) };
        ask!(pod_host, "forgetting the pod", pod_host.runtime.remove_fence());
        Ok(Ensured::Changed)
    };
    take_back(ctx, forget).await
}
