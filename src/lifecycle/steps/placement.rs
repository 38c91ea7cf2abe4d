//! Which server a pod is on, and by which port it is reached. Both are rows, held from here to the destroy.

use super::Ensured;
use crate::{
    lifecycle::{PodAtWork, StepError},
    store::{
        pods::{self, PORTS, Placement},
        servers,
    },
};

pub async fn place(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let tier = &pod.spec.tier;
    if let Some(server_id) = &pod.pod.server_id {
        return stay(pod, server_id).await;
    }
    match pods::place(pod.db(), &pod.fence, tier.reservation()).await? {
        Placement::Placed(_) => Ok(Ensured::Done),
        Placement::NoServer => Err(StepError::fail(
            "no server is online. Add one with `pinacle-worker servers add`, or bring one back with `servers resume`",
        )),
        Placement::NoRoom => Err(StepError::fail(format!(
            "no online server has room for tier {} ({} CPU, {} MB of memory, {} GB of disk). Destroy pods, choose a \
             smaller tier, or add a server",
            tier.name, tier.cpu_cores, tier.memory_mb, tier.disk_gb
        ))),
    }
}

/// A pod that is placed stays: its data is there. One that only the web app has placed must still be let in.
async fn stay(pod: &PodAtWork, server_id: &str) -> Result<Ensured, StepError> {
    let new_here = pod.pod.proxy_port.is_none();
    if new_here {
        let server = servers::get(pod.db(), server_id).await?;
        if let Some(server) = server.filter(|server| server.status != "online") {
            return Err(StepError::fail(format!(
                "server {} is {} and takes no new pods. Choose another, or run `pinacle-worker servers resume {}`",
                server.name, server.status, server.name
            )));
        }
    }
    pods::reserve(pod.db(), &pod.fence, pod.spec.tier.reservation()).await?;
    Ok(Ensured::by(new_here))
}

pub async fn port(pod: &PodAtWork) -> Result<Ensured, StepError> {
    if pod.pod.proxy_port.is_some() {
        return Ok(Ensured::Already);
    }
    let site = pod.site().await?;
    let taken = site.network.listening_ports().await?;
    match pods::take_port(pod.db(), &pod.fence, &site.server.id, &taken).await? {
        Some(_) => Ok(Ensured::Done),
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
    Ok(Ensured::Done)
}
