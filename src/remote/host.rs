//! A pod host: the connection to it, and what was learned of it.

use std::sync::OnceLock;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::{
    Collected, Command, ConnectionError, ServerConnection,
    facts::Facts,
    local::Local,
    ssh::{Endpoint, Ssh},
};

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

    /// Whether Docker answers only through sudo here.
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
        let direct = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
        let needed = if self.answers(&direct).await? {
            false
        } else if self.answers(&direct.sudo(true)).await? {
            true
        } else {
            // Docker is down: it says nothing about later.
            return Ok(false);
        };
        Ok(*self.needs_sudo.get_or_init(|| needed))
    }

    async fn answers(&self, command: &Command) -> Result<bool, ConnectionError> {
        let outcome = self.connection.exec(command, None, &mut Collected::default(), &CancellationToken::new()).await?;
        Ok(outcome.success())
    }
}
