//! The pod hosts that this process talks to: one connection each, shared by all that runs there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};

use crate::{
    remote::{ConnectionError, Host, private_key, ssh::Endpoint},
    store::servers::Server,
};

/// Finds the connection to a server; makes it where there is none yet, or where the server's row has changed.
pub struct HostDirectory {
    private_key: Option<SecretString>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl HostDirectory {
    pub fn new(private_key: Option<SecretString>) -> Self {
        Self { private_key, hosts: Mutex::default() }
    }

    /// Returns the host of a server, without connecting to it.
    ///
    /// # Errors
    /// The server's row, or the worker's own settings, lack what SSH needs.
    pub fn get(&self, server: &Server) -> Result<Arc<Host>, ConnectionError> {
        let endpoint = endpoint(server)?;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&server.id).filter(|host| host.endpoint() == endpoint.as_ref()) {
            return Ok(Arc::clone(host));
        }
        let name = server.name.clone();
        let host = Arc::new(match endpoint {
            None => Host::local(name),
            Some(endpoint) => Host::over_ssh(name, endpoint, self.private_key(server)?),
        });
        hosts.insert(server.id.clone(), Arc::clone(&host));
        Ok(host)
    }

    fn private_key(&self, server: &Server) -> Result<SecretString, ConnectionError> {
        let text = self.private_key.as_ref().ok_or_else(|| ConnectionError::Settings {
            host: server.name.clone(),
            reason: "the worker has no SSH key. Set SSH_PRIVATE_KEY, or SSH_PRIVATE_KEY_FILE".to_owned(),
        })?;
        // A key that cannot be read is reported when it is used.
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
        port: u16::try_from(server.ssh_port).map_err(|_| missing("servers.ssh_port is out of range"))?,
        user: server.ssh_user.clone(),
        host_key: server.ssh_host_key.clone().ok_or_else(|| {
            missing("no host key is pinned (servers.ssh_host_key is empty), so the worker cannot know which host it reaches")
        })?,
    }))
}
