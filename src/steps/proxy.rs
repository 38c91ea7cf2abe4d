//! The step that waits until a pod is reached: its nginx, and whether it is kept from its host.

use std::time::Duration;

use super::{Ensured, StepContext, StepError, environment::exports_of, notices::say_noted};
use crate::{
    docker::network::{METADATA, PROHIBITED},
    guest::Inside,
    remote::script_for,
    telemetry::metrics::UNCONFINED_STARTS,
    transcript::HostError,
};

/// nginx starts with the pod's init; gVisor makes it slower.
const PROXY_TIMEOUT: Duration = Duration::from_secs(30);

const PROXY: [&str; 2] = [PROHIBITED, include_str!("../guest/scripts/proxy.bash")];
/// What the script prints where the pod is kept from its host.
const CONFINED: &str = "confined";

/// Stores the environment for every later command and waits for the pod's nginx, which needs a moment anyway.
pub async fn proxy(ctx: &StepContext) -> Result<Ensured, StepError> {
    let environment = exports_of(ctx, &ctx.spec.project).await?;
    let name = ctx.host_name().await?;
    let pod_host = ctx.pod_host().await?;
    let must_be_confined = !ctx.environment.allow_unconfined_pods;
    let found = pod_host.runtime.found().await?;
    let kept_from = match found.container().and_then(|container| container.gateway()) {
        Some(host) if must_be_confined && ctx.pod.last_started_at.is_none() => format!("{host} {METADATA}"),
        Some(host) if must_be_confined => host.to_owned(),
        _ => String::new(),
    };
    let wait = script_for("bash", &PROXY.concat(), [name.as_str(), &kept_from])
        .args(Inside::PREFIXES)
        .input(environment)
        .infrastructure()
        .label("🔧 Writing the environment")
        .timeout(PROXY_TIMEOUT);
    pod_host.runtime.wait_for_response(&pod_host.server.bind_address, ctx.port()?).await?;
    let silent = |why: &HostError| {
        format!(
            "the pod's nginx does not respond ({why}). Is {} made from the pod base image?",
            ctx.spec.machine.base_image
        )
    };
    match pod_host.runtime.exec(wait).await {
        Ok(listed) => {
            if must_be_confined && listed.stdout.lines().all(|line| line != CONFINED) {
                unconfined(ctx, &pod_host.server.name)?;
            }
            ctx.look_inside(Inside::parse(&listed.stdout));
            say_noted(ctx).await?;
            Ok(Ensured::Changed)
        }
        Err(error @ HostError::Failed { .. }) => Err(StepError::fail(silent(&error)).from_source(error)),
        // A container that does not stay up looks like this, too.
        Err(error @ HostError::CutOff { .. }) => Err(StepError::retry(silent(&error)).from_source(error)),
        Err(other) => Err(other.into()),
    }
}

/// A pod that never ran is not started in such a network. One that ran before goes on: its processes may have changed
/// what the check prints, and its user would lose the pod.
fn unconfined(ctx: &StepContext, server: &str) -> Result<(), StepError> {
    let sentence = format!(
        "server {server} does not confine its pods: this one is not kept from the server itself, or from private networks. \
         Run deploy/pod-host.sh there again, which puts up the floor of the pods' network"
    );
    if ctx.pod.last_started_at.is_none() {
        return Err(StepError::fail(format!(
            "{sentence}, then requeue the pod; or set ALLOW_UNCONFINED_PODS=true, where all pods are trusted"
        )));
    }
    metrics::counter!(UNCONFINED_STARTS).increment(1);
    tracing::warn!(pod.id = %ctx.fence.pod_id, server.name = server, "{sentence}.");
    Ok(())
}
