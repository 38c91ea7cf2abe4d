//! The steps that remove what is on the host, and the undo of those that made it.

use super::{Decision, Ensured, StepContext, StepError, context::PodHost, host::ask};
use crate::store::pods;

/// Takes something back from the pod's host; where the pod has none, there is nothing. Nothing is made on a host before the
/// pod's port is on record, so where there is none, a host that can't be reached is no reason to keep the pod.
async fn take_back(
    ctx: &StepContext,
    remove: impl AsyncFnOnce(&PodHost) -> Result<Ensured, StepError>,
) -> Result<Ensured, StepError> {
    let removed = match ctx.pod_host_if_placed().await {
        Ok(Some(pod_host)) => remove(pod_host).await,
        Ok(None) => Ok(Ensured::Unchanged),
        Err(error) => Err(error),
    };
    match removed {
        Err(StepError { decision: Decision::Retry | Decision::Fail, .. }) if !ctx.holds_port() => {
            Ok(Ensured::Unchanged)
        }
        removed => removed,
    }
}

pub async fn remove_container(ctx: &StepContext) -> Result<Ensured, StepError> {
    take_back(ctx, async |pod_host| {
        let removed = ask!(pod_host, "removing the container", pod_host.runtime.remove_containers());
        pods::set_container(ctx.db(), &ctx.fence, None).await?;
        Ok(Ensured::by(removed))
    })
    .await
}

pub async fn remove_network(ctx: &StepContext) -> Result<Ensured, StepError> {
    take_back(ctx, async |pod_host| {
        Ok(Ensured::by(ask!(pod_host, "removing the network", pod_host.runtime.remove_networks())))
    })
    .await
}

pub async fn remove_volume(ctx: &StepContext) -> Result<Ensured, StepError> {
    take_back(ctx, async |pod_host| {
        Ok(Ensured::by(ask!(pod_host, "removing the volumes", pod_host.runtime.remove_volumes())))
    })
    .await
}

pub async fn remove_fence(ctx: &StepContext) -> Result<Ensured, StepError> {
    take_back(ctx, async |pod_host| {
        ask!(pod_host, "forgetting the pod", pod_host.runtime.remove_fence());
        Ok(Ensured::Changed)
    })
    .await
}
