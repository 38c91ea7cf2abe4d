//! Which server a pod is on, and by which port it is reached. Both are rows, held from here to the destroy.

use super::{Ensured, StepContext, StepError, context::PodHost, removal};
use crate::{
    model::{PORTS, Reservation},
    podspec::Tier,
    store::{
        places::{self, Placement},
        servers::{self, Server},
    },
};

/// A pod that is placed stays: its data is there. One that only the web app has placed must still be let in.
pub async fn place(ctx: &StepContext) -> Result<Ensured, StepError> {
    let (tier, chosen) = (&ctx.spec.machine.tier, ctx.pod.server_id.as_deref());
    if chosen.is_some() && ctx.pod.proxy_port.is_some() {
        return Ok(Ensured::Unchanged);
    }
    let server = match chosen {
        Some(server_id) => servers::get(ctx.db(), server_id).await?,
        None => None,
    };
    let max_jobs = ctx.environment.limits.per_server;
    match (places::place(ctx.db(), &ctx.fence, tier.reservation(), chosen, max_jobs).await?, server) {
        (Placement::Placed(server_id), _) => {
            ctx.is_on(Some(server_id));
            ctx.has_reserved(Some(tier.reservation()));
            Ok(Ensured::Changed)
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
        (Placement::NoRoom, server) => {
            let who = server.map_or_else(|| "no online server has".to_owned(), |Server { name, .. }| lacks(&name));
            Err(no_room(&who, tier, "or add a server"))
        }
    }
}

fn lacks(server: &str) -> String {
    format!("server {server} has no")
}

fn no_room(who_has_no: &str, tier: &Tier, or: &str) -> StepError {
    let Tier { name, cpu_cores, memory_mb, disk_gb } = tier;
    StepError::fail(format!(
        "{who_has_no} room for tier {name} ({cpu_cores} CPU, {memory_mb} MB of memory, {disk_gb} GB of disk). Destroy \
         pods, choose a smaller tier, {or}"
    ))
}

/// What the pod is to have reserved. It keeps the disk that it was made with, which cannot shrink.
fn wanted(ctx: &StepContext) -> Reservation {
    let tier = ctx.spec.machine.tier.reservation();
    Reservation { disk_gb: ctx.reserved().map_or(tier.disk_gb, |held| held.disk_gb.max(tier.disk_gb)), ..tier }
}

/// Reserves what the pod's tier has grown by, before its container gets it.
pub async fn reserve_growth(ctx: &StepContext, pod_host: &PodHost) -> Result<(), StepError> {
    let wanted = wanted(ctx);
    reserve(ctx, pod_host, ctx.reserved().map_or(wanted, |held| held.max(wanted))).await
}

/// Gives back what the pod's tier has shrunk by, once its container has no more of it.
pub async fn release_surplus(ctx: &StepContext, pod_host: &PodHost) -> Result<(), StepError> {
    reserve(ctx, pod_host, wanted(ctx)).await
}

async fn reserve(ctx: &StepContext, pod_host: &PodHost, reservation: Reservation) -> Result<(), StepError> {
    if ctx.reserved() == Some(reservation) {
        return Ok(());
    }
    if !places::reserve(ctx.db(), &ctx.fence, &pod_host.server.id, reservation).await? {
        return Err(no_room(&lacks(&pod_host.server.name), &ctx.spec.machine.tier, "or go back to what it had"));
    }
    ctx.has_reserved(Some(reservation));
    Ok(())
}

pub async fn port(ctx: &StepContext) -> Result<Ensured, StepError> {
    if ctx.pod.proxy_port.is_some() {
        return Ok(Ensured::Unchanged);
    }
    let pod_host = ctx.pod_host().await?;
    let taken = pod_host.network.listening_ports().await?;
    match places::take_port(ctx.db(), &ctx.fence, &pod_host.server.id, &taken).await? {
        Some(port) => {
            ctx.holds(Some(port));
            // Nothing of a pod is made on a host before its port is on record.
            pod_host.runtime.expect_nothing().await;
            Ok(Ensured::Changed)
        }
        None => Err(StepError::fail(format!(
            "no port is free on server {}: all from {} to {} are held by pods or by other programs. Destroy pods, or \
             add a server",
            pod_host.server.name,
            PORTS.start(),
            PORTS.end()
        ))),
    }
}

/// Gives server and port back; no command of this pod follows.
pub async fn release(ctx: &StepContext) -> Result<Ensured, StepError> {
    removal::remove_fence(ctx).await?;
    places::release(ctx.db(), &ctx.fence).await?;
    ctx.is_on(None);
    ctx.holds(None);
    ctx.has_reserved(None);
    Ok(Ensured::Changed)
}
