//! The steps of a pod's life: the table of them, the engine that runs a list of them, and what they work on. A step
//! *ensures* something: it looks, acts if need be, and can be run again at any time. Knows no queue and no kind of job.

mod commands;
mod container;
mod context;
mod engine;
mod environment;
mod error;
mod exec;
mod host;
mod notices;
mod placement;
mod processes;
mod project;
mod proxy;
mod removal;
mod repository;
mod services;
mod table;

use futures::future::BoxFuture;

use crate::model::PodStatus;
pub use context::{Environment, StepContext};
pub use engine::{run_steps, undo};
pub use error::{Decision, StepError};
pub use services::open;
pub use table::{
    CONTAINER, ENVIRONMENT, HEALTH, IMAGE, INSTALL, INSTALL_SERVICES, NETWORK, PLACE, PORT, POST_START, PRE_START,
    PROCESSES, PROXY, REMOVE_CONTAINER, REMOVE_FENCE, REMOVE_NETWORK, REMOVE_VOLUME, REPOSITORY, SERVICES, START, STOP,
    VOLUME,
};

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What a progress bar shows, and `pod_job_steps.name`.
    pub name: &'static str,
    /// Who has to act where it fails.
    pub part: Part,
    ensure: Act,
    undo: Undo,
}

impl Step {
    /// Sees that its part is in place.
    pub async fn ensure(&self, ctx: &StepContext) -> Result<Ensured, StepError> {
        (self.ensure)(ctx).await
    }

    /// Takes back what it made, where that is on no other step.
    pub async fn undo(&self, ctx: &StepContext) -> Result<Ensured, StepError> {
        match self.undo {
            Undo::By(undo) => undo(ctx).await.map_err(|error| error.while_doing(&format!("undoing {}", self.name))),
            Undo::Needless(reason) => {
                tracing::debug!("The step {} is not undone: {reason}.", self.name);
                Ok(Ensured::Unchanged)
            }
        }
    }

    /// Why it has no undo of its own.
    #[cfg(test)]
    pub(crate) fn needs_no_undo(&self) -> Option<&'static str> {
        match self.undo {
            Undo::By(_) => None,
            Undo::Needless(reason) => Some(reason),
        }
    }
}

/// What a step does.
type Act = for<'a> fn(&'a StepContext) -> BoxFuture<'a, Result<Ensured, StepError>>;

/// How a step is taken back.
#[derive(Debug, Clone, Copy)]
enum Undo {
    /// "Not there" is done.
    By(Act),
    /// It leaves nothing that another step's undo does not take; this says why.
    Needless(&'static str),
}

/// Whose part of a job a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The server's, and what of the pod is on it.
    Host,
    /// The user's: what they asked for inside the pod.
    User,
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

/// A list of steps, and the pod's status while they run and after.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub transitional: PodStatus,
    pub parts: &'static [&'static [Step]],
    pub target: PodStatus,
}

impl Plan {
    pub fn steps(&self) -> Vec<Step> {
        self.parts.concat()
    }
}
