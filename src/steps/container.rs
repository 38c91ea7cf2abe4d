//! The steps on the host: network, volume, image and container, its start and its stop.

use super::{Ensured, StepContext, StepError, context::PodHost, host::ask, notices::note, placement};
use crate::{
    docker::{Container, ContainerSpec, Found, Limits},
    store::{
        images,
        pods::{self, Facts},
    },
};

/// Creates the network, and the volume with it: each of the two takes its time.
pub async fn network(ctx: &StepContext) -> Result<Ensured, StepError> {
    let pod_host = ctx.pod_host().await?;
    let found = ask!(pod_host, "looking for the network", pod_host.runtime.found());
    note_losses(ctx, pod_host, &found).await?;
    if !found.networks.is_empty() {
        return Ok(Ensured::Unchanged);
    }
    let creation = ask!(pod_host, "looking at the host's way out", pod_host.network.creation(ctx.port()?));
    ask!(pod_host, "creating the network", pod_host.runtime.create_network(creation, &ctx.spec.machine.tier));
    Ok(Ensured::Changed)
}

/// Notes what a pod that has run has lost on its host, before it is made anew.
async fn note_losses(ctx: &StepContext, pod_host: &PodHost, found: &Found) -> Result<(), StepError> {
    if ctx.pod.last_started_at.is_none() {
        return Ok(());
    }
    let server = &pod_host.server.name;
    if !found.has_workspace() {
        let lost = format!("the pod's volume was gone from server {server}, and with it all files in /workspace");
        note(ctx, &lost).await?;
    }
    if found.containers.is_empty() {
        let kept = if found.has_home() { "/workspace and /root" } else { "/workspace" };
        let lost = format!(
            "the pod's container was gone from server {server}, and with it all files outside {kept}, such as packages; what \
             the pod's config installs is installed again"
        );
        note(ctx, &lost).await?;
    }
    Ok(())
}

pub async fn volume(ctx: &StepContext) -> Result<Ensured, StepError> {
    let pod_host = ctx.pod_host().await?;
    let found = ask!(pod_host, "looking for the volume", pod_host.runtime.found());
    if found.has_workspace() {
        return Ok(Ensured::by(found.volume_is_new));
    }
    ask!(pod_host, "creating the volume", pod_host.runtime.create_volume(&ctx.spec.machine.tier));
    Ok(Ensured::Changed)
}

pub async fn image(ctx: &StepContext) -> Result<Ensured, StepError> {
    let pod_host = ctx.pod_host().await?;
    let image = ctx.spec.machine.base_image.as_str();
    if ask!(pod_host, "looking for the container", pod_host.runtime.found()).container().is_some() {
        return Ok(Ensured::Unchanged);
    }
    ctx.environment.catalog.images.check(image).map_err(|error| StepError::fail(error.to_string()))?;
    let mut found = ask!(pod_host, "looking for the image", pod_host.runtime.image(image));
    let fetched = found.is_none();
    if fetched {
        // Before, for a fetch that is cut off may still bring it.
        images::fetched(ctx.db(), &pod_host.server.id, image).await?;
        ask!(pod_host, "fetching the image", pod_host.runtime.pull_image(image));
        found = ask!(pod_host, "looking at the image", pod_host.runtime.image(image));
    }
    let volumes = found.map(|image| image.volumes).unwrap_or_default();
    if volumes.is_empty() {
        return Ok(Ensured::by(fetched));
    }
    Err(StepError::fail(format!(
        "the image {image} declares volumes ({}), which no limit of the pod's disk would hold for; build it without VOLUME",
        volumes.join(", ")
    )))
}

pub async fn container(ctx: &StepContext) -> Result<Ensured, StepError> {
    let pod_host = ctx.pod_host().await?;
    let found = ask!(pod_host, "looking for the container", pod_host.runtime.found());
    if let Some(container) = found.container() {
        pods::set_container(ctx.db(), &ctx.fence, Some(&container.id)).await?;
        let joined = rejoin(ctx, pod_host, container, &found.networks).await?;
        return Ok(Ensured::by(resize(ctx, pod_host).await? || joined == Ensured::Changed));
    }
    placement::reserve_growth(ctx, pod_host).await?;
    let spec = ContainerSpec {
        image: &ctx.spec.machine.base_image,
        hostname: &ctx.pod.slug,
        tier: &ctx.spec.machine.tier,
        bind_address: &pod_host.server.bind_address,
        port: ctx.port()?,
    };
    let id = ask!(pod_host, "creating the container", pod_host.runtime.create_container(&spec));
    pods::set_container(ctx.db(), &ctx.fence, Some(&id)).await?;
    Ok(Ensured::Changed)
}

/// Brings a container back into the pod's network where that was lost and made anew. It does not run meanwhile: gVisor
/// takes up its network as it starts.
async fn rejoin(
    ctx: &StepContext,
    pod_host: &PodHost,
    container: &Container,
    networks: &[String],
) -> Result<Ensured, StepError> {
    if container.is_in(networks) {
        return Ok(Ensured::Unchanged);
    }
    if container.running {
        super::services::stop(ctx).await?;
        ask!(pod_host, "stopping the container", pod_host.runtime.stop());
    }
    ask!(pod_host, "connecting the container to its network", pod_host.network.connect_container(container));
    Ok(Ensured::Changed)
}

/// Gives a container that does not run what its pod's tier says by now. One that runs keeps what it has until it starts
/// again: gVisor takes up its limits as it starts. True where there was something to change.
async fn resize(ctx: &StepContext, pod_host: &PodHost) -> Result<bool, StepError> {
    let found = ask!(pod_host, "looking at the container", pod_host.runtime.found());
    let Some(container) = found.container().filter(|container| !container.running) else { return Ok(false) };
    let limits = Limits::of(&ctx.spec.machine.tier);
    placement::reserve_growth(ctx, pod_host).await?;
    let differs = container.limits != limits;
    if differs {
        ask!(pod_host, "giving the container what its tier has", pod_host.runtime.resize_container(limits));
    }
    placement::release_surplus(ctx, pod_host).await?;
    Ok(differs)
}

pub async fn start(ctx: &StepContext) -> Result<Ensured, StepError> {
    let pod_host = ctx.pod_host().await?;
    let found = ask!(pod_host, "looking at the container", pod_host.runtime.found());
    let (container, started) = match found.container().filter(|container| container.running) {
        Some(container) => (container.clone(), false),
        None => (ask!(pod_host, "starting the container", pod_host.runtime.start()), true),
    };
    let url = ctx.public_url().await?;
    let facts =
        Facts { internal_ip: container.address(), public_url: Some(&url), started_at: Some(&container.started_at) };
    pods::set_facts(ctx.db(), &ctx.fence, facts).await?;
    Ok(Ensured::by(started))
}

pub async fn stop(ctx: &StepContext) -> Result<Ensured, StepError> {
    let pod_host = ctx.pod_host().await?;
    let found = ask!(pod_host, "looking at the container", pod_host.runtime.found());
    let running = found.container().is_some_and(|container| container.running);
    if running {
        super::services::stop(ctx).await?;
        ask!(pod_host, "stopping the container", pod_host.runtime.stop());
    }
    pods::set_facts(ctx.db(), &ctx.fence, Facts::default()).await?;
    Ok(Ensured::by(running))
}
