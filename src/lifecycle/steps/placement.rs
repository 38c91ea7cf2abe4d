//! Which server a pod is on, and by which port it is reached. Both are rows, held from here to the destroy.

use super::Ensured;
use crate::{
    lifecycle::{PodAtWork, StepError},
    store::{
        pods::{self, PORTS, Placement},
        servers::{self, Server},
    },
};

/// A pod that is placed stays: its data is there. One that only the web app has placed must still be let in.
pub async fn place(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let (tier, chosen) = (&pod.spec.tier, pod.pod.server_id.as_deref());
    if chosen.is_some() && pod.pod.proxy_port.is_some() {
        pods::reserve(pod.db(), &pod.fence, tier.reservation()).await?;
        return Ok(Ensured::Already);
    }
    let server = match chosen {
        Some(server_id) => servers::get(pod.db(), server_id).await?,
        None => None,
    };
    let max_jobs = pod.tools.limits.per_server;
    match (pods::place(pod.db(), &pod.fence, tier.reservation(), chosen, max_jobs).await?, server) {
        (Placement::Placed(server_id), _) => {
            pod.is_on(Some(server_id));
            Ok(Ensured::Done)
        }
        (Placement::NoSlot, _) => Err(StepError::defer(format!(
            "every server with room for the pod runs as many jobs as it may (MAX_JOBS_PER_SERVER, {max_jobs})"
        ))),
        (Placement::Busy, _) => {
            Err(StepError::retry("other pods took the room of each server that was chosen; it is tried again"))
        }
        (Placement::NoServer, None) => Err(StepError::fail(
            "no server is online. Add one with `pinacle-worker servers add`, or bring one back with `servers resume`",
        )),
        (Placement::NoServer, Some(Server { name, status, .. })) => Err(StepError::fail(format!(
            "server {name} is {status} and takes no new pods. Choose another, or run `pinacle-worker servers resume \
             {name}`"
        ))),
        (Placement::NoRoom, server) => Err(StepError::fail(format!(
            "{} room for tier {} ({} CPU, {} MB of memory, {} GB of disk). Destroy pods, choose a smaller tier, or add a \
             server",
            server.map_or_else(|| "no online server has".to_owned(), |server| format!("server {} has no", server.name)),
            tier.name,
            tier.cpu_cores,
            tier.memory_mb,
            tier.disk_gb
        ))),
    }
}

pub async fn port(pod: &PodAtWork) -> Result<Ensured, StepError> {
    if pod.pod.proxy_port.is_some() {
        return Ok(Ensured::Already);
    }
    let site = pod.site().await?;
    let taken = site.network.listening_ports().await?;
    match pods::take_port(pod.db(), &pod.fence, &site.server.id, &taken).await? {
        Some(port) => {
            pod.holds(Some(port));
            // Nothing of a pod is made on a host before its port is on record.
            site.runtime.expect_nothing().await;
            Ok(Ensured::Done)
        }
        None => Err(StepError::fail(format!(
            "no port is free on server {}: all from {} to {} are held by pods or by other programs. Destroy pods, or \
             add a server",
            site.server.name,
            PORTS.start(),
            PORTS.end()
        ))),
    }
}

/// Gives server and port back; no command of this pod follows.
pub async fn release(pod: &PodAtWork) -> Result<Ensured, StepError> {
    super::container::forget_fence(pod).await?;
    pods::release(pod.db(), &pod.fence).await?;
    pod.is_on(None);
    pod.holds(None);
    Ok(Ensured::Done)
}
