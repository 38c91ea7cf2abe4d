//! A pod host: the connection to it, and what was learned of it.

use std::sync::OnceLock;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::{
    Collected, Command, ConnectionError, Outcome, ServerConnection,
    facts::Facts,
    guard::FencedBy,
    local::Local,
    ssh::{Endpoint, Ssh},
};

/// Which fence a command without a record runs under. A command of an execution is recorded, too: see
/// [`Recorder`](crate::transcript::Recorder).
#[derive(Debug, Clone, Copy)]
pub enum Policy<'a> {
    /// It belongs to no pod: it reads, or it concerns the host as a whole.
    Plain,
    /// It acts for a pod, under a lease.
    Fenced(&'a FencedBy),
}

impl<'a> Policy<'a> {
    fn fence(self) -> Option<&'a FencedBy> {
        match self {
            Self::Plain => None,
            Self::Fenced(fence) => Some(fence),
        }
    }
}

/// A command that ran, and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub output: Collected,
}

/// A pod host and what was learned of it.
pub struct Host {
    pub name: String,
    pub connection: Box<dyn ServerConnection>,
    /// `None` for the machine itself.
    endpoint: Option<Endpoint>,
    needs_sudo: OnceLock<bool>,
    pub facts: Facts,
}

impl Host {
    /// The machine itself.
    pub fn local(name: String) -> Self {
        Self::with(name, Box::new(Local), None)
    }

    /// One that is reached over SSH with a private key. Nothing is dialled yet.
    pub fn over_ssh(name: String, endpoint: Endpoint, private_key: SecretString) -> Self {
        Self::with(name, Box::new(Ssh::new(endpoint.clone(), private_key)), Some(endpoint))
    }

    fn with(name: String, connection: Box<dyn ServerConnection>, endpoint: Option<Endpoint>) -> Self {
        Self { name, connection, endpoint, needs_sudo: OnceLock::new(), facts: Facts::default() }
    }

    /// Where it is reached over SSH; `None` for the machine itself.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// Runs a command of which no record is kept, to its end. `cancel` ends it, with all that it started.
    ///
    /// # Errors
    /// The command did not run: the host can't be reached, or the fence refused it.
    pub async fn run(
        &self,
        command: &Command,
        policy: Policy<'_>,
        cancel: &CancellationToken,
    ) -> Result<Ran, ConnectionError> {
        let (fence, mut output) = (policy.fence(), Collected::default());
        let outcome = self.connection.exec(command, fence, &mut output, cancel).await?;
        Ok(Ran { outcome, output })
    }

    /// Whether Docker takes commands only through sudo here.
    ///
    /// # Errors
    /// The host can't be reached.
    pub async fn docker_needs_sudo(&self) -> Result<bool, ConnectionError> {
        if self.endpoint.as_ref().is_some_and(|endpoint| endpoint.user == "root") {
            return Ok(false);
        }
        if let Some(needed) = self.needs_sudo.get() {
            return Ok(*needed);
        }
        let version = |sudo| Command::docker(sudo).args(["version", "--format", "{{.Server.Version}}"]);
        let works = async |sudo| {
            let ran = self.run(&version(sudo), Policy::Plain, &CancellationToken::new()).await?;
            Ok::<_, ConnectionError>(ran.outcome.success())
        };
        let needed = if works(false).await? {
            false
        } else if works(true).await? {
            true
        } else {
            // Docker is down, which says nothing about later.
            return Ok(false);
        };
        Ok(*self.needs_sudo.get_or_init(|| needed))
    }
}
