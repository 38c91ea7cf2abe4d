//! The steps. Each *ensures* something: it looks, acts if need be, and can be run again at any time. Those that make
//! something on a host have an undo, which treats "not there" as done.

mod container;
mod dotenv;
mod inside;
mod notices;
mod placement;
mod repository;
mod services;

pub(super) use inside::note_ended_processes;
pub(super) use repository::project;
pub(super) use services::open;

use super::{StepContext, StepError};
use inside::Moment;

/// A step of a lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Place,
    Port,
    Network,
    Volume,
    Image,
    Container,
    Start,
    Proxy,
    Repository,
    Environment,
    InstallServices,
    Install,
    PreStart,
    Services,
    Processes,
    Health,
    PostStart,
    Stop,
    RemoveContainer,
    RemoveNetwork,
    RemoveVolume,
    RemoveFence,
}

/// Whose part of a lifecycle a step is: who has to mend what it fails by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The server and what of the pod is on it.
    Hosts,
    /// What the user has asked for inside the pod.
    Users,
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It had to act.
    Changed,
    /// All was in place, or there was nothing to do.
    Unchanged,
}

impl Ensured {
    /// [`Ensured::Changed`] where something was done.
    fn by(acted: bool) -> Self {
        if acted { Self::Changed } else { Self::Unchanged }
    }
}

impl Step {
    /// The name that a progress bar shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Port => "port",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Image => "image",
            Self::Container => "container",
            Self::Start => "start",
            Self::Proxy => "proxy",
            Self::Repository => "repository",
            Self::Environment => "environment",
            Self::InstallServices => "install services",
            Self::Install => "install",
            Self::PreStart => "preStart",
            Self::Services => "services",
            Self::Processes => "processes",
            Self::Health => "health",
            Self::PostStart => "postStart",
            Self::Stop => "stop",
            Self::RemoveContainer => "remove container",
            Self::RemoveNetwork => "remove network",
            Self::RemoveVolume => "remove volume",
            Self::RemoveFence => "forget",
        }
    }

    pub fn part(self) -> Part {
        match self {
            Self::Repository
            | Self::Environment
            | Self::InstallServices
            | Self::Install
            | Self::PreStart
            | Self::Services
            | Self::Processes
            | Self::Health
            | Self::PostStart => Part::Users,
            Self::Place
            | Self::Port
            | Self::Network
            | Self::Volume
            | Self::Image
            | Self::Container
            | Self::Start
            | Self::Proxy
            | Self::Stop
            | Self::RemoveContainer
            | Self::RemoveNetwork
            | Self::RemoveVolume
            | Self::RemoveFence => Part::Hosts,
        }
    }

    /// Looks, and acts if need be.
    pub async fn ensure(self, pod: &StepContext) -> Result<Ensured, StepError> {
        match self {
            Self::Place => placement::place(pod).await,
            Self::Port => placement::port(pod).await,
            Self::Network => container::network(pod).await,
            Self::Volume => container::volume(pod).await,
            Self::Image => container::image(pod).await,
            Self::Container => container::container(pod).await,
            Self::Start => container::start(pod).await,
            Self::Stop => container::stop(pod).await,
            Self::Proxy => inside::proxy(pod).await,
            Self::Repository => repository::repository(pod).await,
            Self::Environment => inside::environment(pod).await,
            Self::InstallServices => services::install(pod).await,
            Self::Install => inside::install(pod).await,
            Self::PreStart => inside::hooks(pod, Moment::PreStart).await,
            Self::Services => services::start(pod).await,
            Self::Processes => inside::processes(pod).await,
            Self::Health => services::health(pod).await,
            Self::PostStart => inside::hooks(pod, Moment::PostStart).await,
            Self::RemoveContainer => container::remove_container(pod).await,
            Self::RemoveNetwork => container::remove_network(pod).await,
            Self::RemoveVolume => container::remove_volume(pod).await,
            Self::RemoveFence => container::remove_fence(pod).await,
        }
    }

    /// Takes back what the step made. `None` where it made nothing that outlives the container.
    pub async fn undo(self, pod: &StepContext) -> Option<Result<Ensured, StepError>> {
        Some(match self {
            Self::Place => placement::release(pod).await,
            Self::Network => container::remove_network(pod).await,
            Self::Volume => container::remove_volume(pod).await,
            Self::Container => container::remove_container(pod).await,
            _ => return None,
        })
    }
}
