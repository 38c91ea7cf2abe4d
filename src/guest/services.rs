//! `ServiceProvisioner`: installs, starts, checks, stops and removes the services inside a pod.
//!
//! The pod's init, s6, supervises the services: it starts a dead one again, and starts all of them with the container,
//! with or without a worker. Their definitions are in the pod under `/etc/pinacle/services`; the base image has the
//! supervision (`docker/service`).

use std::time::Duration;

use super::{
    Inside,
    shell::{Mark, Place, exports},
};
use crate::{
    docker::ContainerRuntime,
    podspec::ServiceTemplate,
    remote::{Command, ConnectionError, script},
    transcript::{Finished, HostError},
};

const DEFINE: &str = include_str!("scripts/service-define.sh");
const START: &str = include_str!("scripts/service-start.sh");
const STOP: &str = include_str!("scripts/service-stop.sh");
const STOP_ALL: &str = include_str!("scripts/service-stop-all.sh");
const REMOVE: &str = include_str!("scripts/service-remove.sh");
const LOGS: &str = include_str!("scripts/service-logs.sh");

/// Includes what a package compiles while it is set up.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(15);
const HOOK_TIMEOUT: Duration = Duration::from_mins(5);
/// How long the services have to end in order; the container stops after that in any case.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

/// The services of one pod.
pub struct ServiceProvisioner<'a> {
    runtime: &'a ContainerRuntime,
    inside: &'a Inside,
    project_dir: &'a str,
}

impl<'a> ServiceProvisioner<'a> {
    pub fn new(runtime: &'a ContainerRuntime, inside: &'a Inside, project_dir: &'a str) -> Self {
        Self { runtime, inside, project_dir }
    }

    fn place<'s>(&'s self, service: &'s ServiceTemplate) -> Place<'s> {
        Place { dir: self.project_dir, service: Some(service.name()) }
    }

    async fn run(&self, command: Command) -> Result<Finished, HostError> {
        self.runtime.exec(command).await
    }

    /// Writes the services' definitions and installs what the image lacks for them. Returns true if it installed
    /// anything.
    pub async fn install(&self, services: &[ServiceTemplate]) -> Result<bool, HostError> {
        for service in services {
            self.define(service).await?;
        }
        let mut acted = false;
        for (service, text) in services.iter().filter_map(|service| Some((service, service.install.as_deref()?))) {
            let mark = Mark::new(service.name(), text);
            if mark.is_in(&self.inside.marks) {
                continue;
            }
            acted = true;
            let install = self.place(service).command_once(text, &mark);
            self.run(install.label("📥 Installing a service").timeout(INSTALL_TIMEOUT)).await?;
        }
        Ok(acted)
    }

    async fn define(&self, service: &ServiceTemplate) -> Result<(), HostError> {
        let cleanup = service.cleanup.as_deref().unwrap_or(":");
        let environment = service.environment.iter().map(|(name, value)| (&**name, &**value));
        let define = script(DEFINE, [service.name(), &service.start, cleanup, &service.default_port.to_string()])
            .input(exports(environment).map_err(ConnectionError::from)?)
            .infrastructure()
            .label("📝 Writing a service down");
        self.run(define).await.map(drop)
    }

    /// Starts the service. Returns false if it runs already.
    pub async fn start(&self, service: &ServiceTemplate) -> Result<bool, HostError> {
        self.hook(service, service.hooks.pre_start.as_deref()).await?;
        let start = script(START, [service.name(), service.stop_signal.as_str()])
            .shown_as(service.start.trim())
            .label("▶️ Starting a service");
        Ok(self.run(start).await?.stdout.trim() != "already running")
    }

    /// Waits until a service is healthy, and then runs its `post_start` hook.
    pub async fn healthy(&self, service: &ServiceTemplate) -> Result<(), HostError> {
        let health = &service.health;
        let timeout = u64::from(health.start_delay_seconds) + u64::from(health.timeout_seconds);
        let check = self.place(service).health_check(&health.command, health.start_delay_seconds);
        self.run(check.timeout(Duration::from_secs(timeout))).await?;
        self.hook(service, service.hooks.post_start.as_deref()).await
    }

    async fn hook(&self, service: &ServiceTemplate, hook: Option<&str>) -> Result<(), HostError> {
        let Some(hook) = hook else { return Ok(()) };
        let command = self.place(service).command(hook).label("🪝 Running a service's hook").timeout(HOOK_TIMEOUT);
        self.run(command).await.map(drop)
    }

    /// Returns the last lines that a service printed.
    pub async fn logs(&self, service: &ServiceTemplate, lines: u32) -> Result<String, HostError> {
        let logs = script(LOGS, [service.name(), &lines.to_string()]).infrastructure();
        Ok(self.run(logs).await?.stdout)
    }

    /// Removes all other services from the pod. Returns true if there were any.
    pub async fn remove_others(&self, services: &[ServiceTemplate]) -> Result<bool, HostError> {
        let mut names: Vec<&str> = self.inside.services.iter().map(String::as_str).collect();
        names.retain(|name| services.iter().all(|service| service.name() != *name));
        if names.is_empty() {
            return Ok(false);
        }
        let stop = script(STOP, []).args(names.iter().copied()).infrastructure().label("🛑 Stopping the services");
        self.run(stop).await?;
        let remove = script(REMOVE, []).args(names).infrastructure().label("🗑️ Removing services");
        self.run(remove).await?;
        Ok(true)
    }
}

/// Stops the user's processes, and then all services of a pod in order. They stay down until each is started again.
pub async fn stop_all(runtime: &ContainerRuntime) -> Result<(), HostError> {
    let stop = script(STOP_ALL, [STOP]).infrastructure().label("🛑 Stopping processes and services");
    runtime.exec(stop.timeout(STOP_TIMEOUT)).await.map(drop)
}
