//! The steps on the host: network, volume, image, container, and their removal.

use super::Ensured;
use crate::{
    host::HostError,
    lifecycle::{Decision, PodAtWork, StepError, pod::Site},
    runtime::{ContainerSpec, Diagnosis},
    store::pods::{self, Facts},
};

/// Says what Docker was asked for and could not do. Where the host is to blame, it says so instead, and whether trying
/// again makes sense.
async fn explain(site: &Site, wish: &str, error: HostError) -> StepError {
    if !matches!(error, HostError::Failed { .. }) {
        return StepError::from(error).while_doing(wish);
    }
    let name = &site.server.name;
    match site.runtime.diagnose().await {
        Ok(Diagnosis::DockerIsDown) => StepError::retry(format!(
            "{wish}: Docker on server {name} does not answer ({error}). Start it, and see `pinacle-worker check`"
        )),
        Ok(Diagnosis::NoGvisor) => StepError::fail(format!(
            "{wish}: Docker on server {name} has no runtime `runsc`. Install gVisor there and register it (see \
             deploy/pod-host.sh), then requeue the pod"
        )),
        Ok(Diagnosis::Fit) => {
            StepError { decision: Decision::Retry, message: format!("{wish} on server {name}: {error}") }
        }
        Err(diagnosis) => StepError::from(diagnosis).while_doing(wish),
    }
}

macro_rules! ask {
    ($site:expr, $wish:literal, $call:expr) => {
        match $call.await {
            Ok(answer) => answer,
            Err(error) => return Err(explain($site, $wish, error).await),
        }
    };
}

pub async fn network(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let site = pod.site().await?;
    if ask!(site, "looking for the network", site.network.exists()) {
        return Ok(Ensured::Already);
    }
    let port = pod.port().await?;
    ask!(site, "creating the network", site.network.create(port));
    Ok(Ensured::Done)
}

pub async fn volume(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let site = pod.site().await?;
    if ask!(site, "looking for the volume", site.runtime.volume_exists()) {
        return Ok(Ensured::Already);
    }
    ask!(site, "creating the volume", site.runtime.create_volume(&pod.spec.tier));
    Ok(Ensured::Done)
}

pub async fn image(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let site = pod.site().await?;
    let image = pod.spec.base_image.as_str();
    if ask!(site, "looking for the image", site.runtime.image_is_present(image)) {
        return Ok(Ensured::Already);
    }
    ask!(site, "fetching the image", site.runtime.pull_image(image));
    Ok(Ensured::Done)
}

pub async fn container(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let site = pod.site().await?;
    if let Some(found) = ask!(site, "looking for the container", site.runtime.container()) {
        pods::set_container(pod.db(), &pod.fence, Some(&found.id)).await?;
        return rejoin(pod, site, found.running).await;
    }
    let spec = ContainerSpec {
        image: &pod.spec.base_image,
        hostname: &pod.pod.slug,
        tier: &pod.spec.tier,
        bind_address: &site.server.bind_address,
        port: pod.port().await?,
    };
    let id = ask!(site, "creating the container", site.runtime.create_container(&spec));
    pods::set_container(pod.db(), &pod.fence, Some(&id)).await?;
    Ok(Ensured::Done)
}

/// Brings a container back into the pod's network where that was lost and made anew. It does not run meanwhile: gVisor
/// takes up its network as it starts.
async fn rejoin(pod: &PodAtWork, site: &Site, running: bool) -> Result<Ensured, StepError> {
    if ask!(site, "looking for the container in its network", site.network.has_container()) {
        return Ok(Ensured::Already);
    }
    if running {
        super::services::stop(pod).await?;
        ask!(site, "stopping the container", site.runtime.stop());
    }
    ask!(site, "connecting the container to its network", site.network.connect_container());
    Ok(Ensured::Done)
}

pub async fn start(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let site = pod.site().await?;
    let running = ask!(site, "looking at the container", site.runtime.container()).is_some_and(|found| found.running);
    if !running {
        ask!(site, "starting the container", site.runtime.start());
    }
    let started = ask!(site, "asking for the container's address", site.runtime.started());
    let url = format!("http://pod-{}.{}:{}", pod.pod.slug, site.server.domain, pod.port().await?);
    let facts =
        Facts { internal_ip: started.address.as_deref(), public_url: Some(&url), started_at: Some(&started.at) };
    pods::set_facts(pod.db(), &pod.fence, facts).await?;
    Ok(Ensured::by(!running))
}

pub async fn stop(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let site = pod.site().await?;
    let running = ask!(site, "looking at the container", site.runtime.container()).is_some_and(|found| found.running);
    if running {
        super::services::stop(pod).await?;
        ask!(site, "stopping the container", site.runtime.stop());
    }
    pods::set_facts(pod.db(), &pod.fence, Facts::default()).await?;
    Ok(Ensured::by(running))
}

/// Takes something back from the host. Nothing is made there before the pod's port is on record, so where there is
/// none, a host that can't be reached is no reason to keep the pod.
async fn take_back(
    pod: &PodAtWork,
    work: impl Future<Output = Result<Ensured, StepError>>,
) -> Result<Ensured, StepError> {
    match work.await {
        Err(StepError { decision: Decision::Retry | Decision::Fail, .. }) if !pod.holds_port().await? => {
            Ok(Ensured::Already)
        }
        ended => ended,
    }
}

pub async fn remove_container(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let remove = async {
        let Some(site) = pod.site_if_placed().await? else { return Ok(Ensured::Already) };
        let removed = ask!(site, "removing the container", site.runtime.remove_containers());
        pods::set_container(pod.db(), &pod.fence, None).await?;
        Ok(Ensured::by(removed))
    };
    take_back(pod, remove).await
}

pub async fn remove_network(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let remove = async {
        let Some(site) = pod.site_if_placed().await? else { return Ok(Ensured::Already) };
        Ok(Ensured::by(ask!(site, "removing the network", site.network.remove())))
    };
    take_back(pod, remove).await
}

pub async fn remove_volume(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let remove = async {
        let Some(site) = pod.site_if_placed().await? else { return Ok(Ensured::Already) };
        Ok(Ensured::by(ask!(site, "removing the volume", site.runtime.remove_volumes())))
    };
    take_back(pod, remove).await
}

pub async fn forget_fence(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let forget = async {
        let Some(site) = pod.site_if_placed().await? else { return Ok(Ensured::Already) };
        ask!(site, "forgetting the pod", site.runtime.forget_fence());
        Ok(Ensured::Done)
    };
    take_back(pod, forget).await
}
