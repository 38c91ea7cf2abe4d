//! The steps that bring services into the pod, start them, and wait until they are healthy.

use super::{Ensured, StepContext, StepError, processes::processes_health, project::project};
use crate::{
    guest::services::{ServiceProvisioner, stop_all},
    podspec::ServiceTemplate,
    transcript::HostError,
};

/// How many of the last lines of a service that failed its error quotes.
const QUOTED_LINES: u32 = 10;

/// What goes wrong here is a package or a template, not the user's text, and a registry may be back soon.
pub async fn install(ctx: &StepContext) -> Result<Ensured, StepError> {
    let project = project(ctx).await?;
    let dir = ctx.project_dir();
    let services = ServiceProvisioner::new(&ctx.pod_host().await?.runtime, ctx.inside(), &dir);
    let installed = services.install(&project.services).await.map_err(|error| match error {
        HostError::Failed { .. } => StepError::retry(format!("installing a service: {error}")),
        other => other.into(),
    })?;
    Ok(Ensured::by(installed))
}

/// Starts the services in their order, after those that are no longer wanted have gone.
pub async fn start(ctx: &StepContext) -> Result<Ensured, StepError> {
    let project = project(ctx).await?;
    let dir = ctx.project_dir();
    let services = ServiceProvisioner::new(&ctx.pod_host().await?.runtime, ctx.inside(), &dir);
    let mut acted = services.remove_others(&project.services).await?;
    for service in &project.services {
        acted |= services.start(service).await.map_err(|error| match error {
            HostError::Failed { .. } => StepError::fail(format!("starting the service {}: {error}", service.name())),
            other => other.into(),
        })?;
    }
    Ok(Ensured::by(acted))
}

/// Waits until services and processes are healthy.
pub async fn health(ctx: &StepContext) -> Result<Ensured, StepError> {
    let project = project(ctx).await?;
    let dir = ctx.project_dir();
    let services = ServiceProvisioner::new(&ctx.pod_host().await?.runtime, ctx.inside(), &dir);
    for service in &project.services {
        if let Err(error) = services.healthy(service).await {
            return Err(unhealthy(&services, service, error).await);
        }
    }
    let processes = processes_health(ctx).await?;
    Ok(Ensured::by(processes || !project.services.is_empty()))
}

async fn unhealthy(services: &ServiceProvisioner<'_>, service: &ServiceTemplate, error: HostError) -> StepError {
    let name = service.name();
    if !matches!(error, HostError::Failed { .. }) {
        return StepError::from(error).while_doing(&format!("waiting for the service {name}"));
    }
    let printed = match services.logs(service, QUOTED_LINES).await {
        Ok(lines) if !lines.trim().is_empty() => format!(". The last that it printed: {}", lines.trim()),
        _ => ". It printed nothing".to_owned(),
    };
    StepError::fail(format!("the service {name} did not become healthy: {error}{printed}")).from_source(error)
}

/// Starts the services, each as far as possible, and waits for none of them.
pub async fn open(ctx: &StepContext) {
    let project = project(ctx).await.unwrap_or(&ctx.spec.project);
    let dir = ctx.project_dir();
    let Ok(pod_host) = ctx.pod_host().await else { return };
    let services = ServiceProvisioner::new(&pod_host.runtime, ctx.inside(), &dir);
    for service in &project.services {
        let opened = async {
            services.install(std::slice::from_ref(service)).await?;
            services.start(service).await
        };
        match opened.await {
            Ok(_) | Err(HostError::Failed { .. }) => {}
            Err(_) => return,
        }
    }
}

/// Takes services and processes down in order before the container stops. What can't be is ended with the container.
pub async fn stop(ctx: &StepContext) -> Result<(), StepError> {
    if !ctx.knows_secrets {
        return Ok(());
    }
    match stop_all(&ctx.pod_host().await?.runtime).await {
        Err(error @ (HostError::Failed { .. } | HostError::CutOff { .. })) => {
            tracing::warn!(pod.id = %ctx.fence.pod_id, %error, "The services of a pod did not stop by themselves.");
            Ok(())
        }
        ended => Ok(ended?),
    }
}
