//! The pod hosts that this process talks to: one connection each, shared by all that runs there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::{
    Command, ConnectionError, ServerConnection,
    connection::Collected,
    facts::Facts,
    local::Local,
    private_key,
    ssh::{Endpoint, Ssh},
};
use crate::store::servers::Server;

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

/// Finds the connection to a server; makes it where there is none yet, or where the server's row has changed.
pub struct HostDirectory {
    private_key: Option<SecretString>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl HostDirectory {
    pub fn new(private_key: Option<SecretString>) -> Self {
        Self { private_key, hosts: Mutex::default() }
    }

    /// The host of a server. Nothing is dialled yet.
    ///
    /// # Errors
    /// The server's row, or the worker's own settings, lack what SSH needs.
    pub fn get(&self, server: &Server) -> Result<Arc<Host>, ConnectionError> {
        let endpoint = endpoint(server)?;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&server.id).filter(|host| host.endpoint == endpoint) {
            return Ok(Arc::clone(host));
        }
        let connection: Box<dyn ServerConnection> = match &endpoint {
            None => Box::new(Local),
            Some(endpoint) => Box::new(Ssh::new(endpoint.clone(), self.private_key(server)?)),
        };
        let (name, needs_sudo, facts) = (server.name.clone(), OnceLock::new(), Facts::default());
        let host = Arc::new(Host { name, connection, endpoint, needs_sudo, facts });
        hosts.insert(server.id.clone(), Arc::clone(&host));
        Ok(host)
    }

    fn private_key(&self, server: &Server) -> Result<SecretString, ConnectionError> {
        let text = self.private_key.as_ref().ok_or_else(|| ConnectionError::Settings {
            host: server.name.clone(),
            reason: "the worker has no SSH key. Set SSH_PRIVATE_KEY, or SSH_PRIVATE_KEY_FILE".to_owned(),
        })?;
        // What is none is said when it is used.
        Ok(private_key::read(text.expose_secret()).map_or_else(|_| text.clone(), SecretString::from))
    }
}

fn endpoint(server: &Server) -> Result<Option<Endpoint>, ConnectionError> {
    if server.connection == "local" {
        return Ok(None);
    }
    let missing = |what: &str| ConnectionError::Settings {
        host: server.name.clone(),
        reason: format!("{what}. Remove the server and add it again with `pinacle-worker servers add`"),
    };
    Ok(Some(Endpoint {
        host: server.ssh_host.clone().ok_or_else(|| missing("servers.ssh_host is empty"))?,
        port: u16::try_from(server.ssh_port).map_err(|_| missing("servers.ssh_port is no port"))?,
        user: server.ssh_user.clone(),
        host_key: server.ssh_host_key.clone().ok_or_else(|| {
            missing("no host key is pinned (servers.ssh_host_key is empty), so nobody knows who answers")
        })?,
    }))
}
