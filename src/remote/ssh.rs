//! A pod host over SSH. The library dials, authenticates and checks the host key; commands go through raw channels,
//! because only those distinguish an exit from a lost connection and free their session slot when a command is given up.
//!
//! Starting a shell is the slowest part of a command (a login shell reads its start-up files each time), so a guard
//! that is past its handshake is kept ready, and its successor starts while it works.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_ssh2_tokio::{AuthMethod, Client, ServerCheckMethod, ToSocketAddrsWithHostname};
use async_trait::async_trait;
use russh::{
    Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf,
    client::{Config, Msg},
    keys::{Algorithm, HashAlg, PublicKey, PublicKeyBase64},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    ConnectionError,
    connection::ServerConnection,
    guard::{Event, Guard, Pipe, SCRIPT, START_TIMEOUT},
};

/// Half of sshd's MaxSessions, which is 10 by default: sshd may read the end of some sessions and the
/// beginning of as many others in one go, and counts both until it has looked at its channels again.
const SESSIONS_PER_LINK: usize = 5;
/// Bounds what sshd's MaxStartups and the host's memory have to bear.
const MAX_LINKS: usize = 12;
/// Shells that are started at the same time: their start-up files may keep a host busy, and a start that waits for its
/// turn does not run into its time limit.
const STARTS_AT_ONCE: usize = 8;
/// Guards kept ready on a host.
const WARM_GUARDS: usize = 2;
/// To connect and to authenticate.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_MAX: usize = 3;
/// How long a guard that was given up may take to end its command; its session counts until then.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// How long sshd may take to confirm the end of a session.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Chunks of output between the guard and the log: a slow database makes the command wait, not the memory grow.
const EVENTS_IN_FLIGHT: usize = 16;

/// Where to dial, and which host key is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The pinned public host key, in OpenSSH's format.
    pub host_key: String,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[derive(Clone)]
pub struct Ssh(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    private_key: SecretString,
    /// As many as all links together may have.
    sessions: Arc<Semaphore>,
    links: tokio::sync::Mutex<Links>,
    starts: Semaphore,
    warm: Mutex<Vec<(Arc<Link>, Guard)>>,
    /// Held by the task that warms up.
    warming: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Links {
    open: Vec<Arc<Link>>,
    /// The last dial that failed, for those who waited for it.
    failed: Option<(Instant, ConnectionError)>,
}

/// A session of a link, for as long as sshd counts it.
struct Slot {
    link: Arc<Link>,
    _of_link: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// One SSH connection and its session slots.
struct Link {
    client: Client,
    slots: Arc<Semaphore>,
    /// Set once something was lost on it: no new command starts here.
    broken: CancellationToken,
}

impl Link {
    fn usable(&self) -> bool {
        !self.broken.is_cancelled() && !self.client.is_closed()
    }
}

impl Ssh {
    pub fn new(endpoint: Endpoint, private_key: SecretString) -> Self {
        Self(Arc::new(Inner {
            endpoint,
            private_key,
            sessions: Arc::new(Semaphore::new(SESSIONS_PER_LINK * MAX_LINKS)),
            links: tokio::sync::Mutex::default(),
            starts: Semaphore::new(STARTS_AT_ONCE),
            warm: Mutex::default(),
            warming: tokio::sync::Mutex::default(),
        }))
    }

    fn take_warm(&self) -> Option<Guard> {
        let mut warm = self.0.warm.lock().unwrap_or_else(PoisonError::into_inner);
        warm.retain(|(link, guard)| link.usable() && guard.is_waiting());
        warm.pop().map(|(_, guard)| guard)
    }

    /// Starts the guards that later commands will use.
    fn warm_up(&self) {
        let ssh = self.clone();
        tokio::spawn(async move {
            let Ok(_turn) = ssh.0.warming.try_lock() else { return };
            let ready = || ssh.0.warm.lock().unwrap_or_else(PoisonError::into_inner).len();
            while ready() < WARM_GUARDS {
                let Ok(started) = ssh.start_guard(true).await else { return };
                ssh.0.warm.lock().unwrap_or_else(PoisonError::into_inner).push(started);
            }
        });
    }

    /// A fresh guard, and what it is on. One that is only to be kept ready takes no last slot and opens no new connection.
    async fn start_guard(&self, spare: bool) -> Result<(Arc<Link>, Guard), ConnectionError> {
        let slot = self.slot(spare).await?;
        let link = Arc::clone(&slot.link);
        let _start = self.0.starts.acquire().await;
        let started = async {
            let channel = link.client.get_channel().await.map_err(|_| ConnectionError::Lost)?;
            let shell = format!("exec sh -c {}", super::command::quote([SCRIPT])?);
            channel.exec(true, shell).await.map_err(|_| ConnectionError::Lost)?;
            Guard::handshake(pipe(channel, slot), link.broken.clone()).await
        };
        let guard = match tokio::time::timeout(START_TIMEOUT, started).await {
            Ok(Err(ConnectionError::NoShell(_))) if link.client.is_closed() => Err(ConnectionError::Lost),
            Ok(guard) => guard,
            Err(_) => Err(ConnectionError::Lost),
        };
        if matches!(guard, Err(ConnectionError::Lost)) {
            link.broken.cancel();
        }
        guard.map(|guard| (link, guard))
    }

    async fn slot(&self, spare: bool) -> Result<Slot, ConnectionError> {
        let sessions = Arc::clone(&self.0.sessions);
        let of_all = if spare {
            sessions.try_acquire_owned().map_err(|_| ConnectionError::Busy)?
        } else {
            sessions.acquire_owned().await.map_err(|_| ConnectionError::Lost)?
        };
        let asked_at = Instant::now();
        let mut links = self.0.links.lock().await;
        links.open.retain(|link| link.usable());
        for link in links.open.iter().filter(|link| !spare || link.slots.available_permits() > 1) {
            if let Ok(of_link) = link.slots.clone().try_acquire_owned() {
                return Ok(Slot { link: Arc::clone(link), _of_link: of_link, _of_all: of_all });
            }
        }
        if spare {
            return Err(ConnectionError::Busy);
        }
        // A caller that waited while another dialled in vain does not dial again.
        if let Some((_, error)) = links.failed.as_ref().filter(|(failed_at, _)| *failed_at >= asked_at) {
            return Err(error.clone());
        }
        match self.dial().await {
            Ok(link) => {
                let link = Arc::new(link);
                links.open.push(Arc::clone(&link));
                let of_link = link.slots.clone().try_acquire_owned().map_err(|_| ConnectionError::Lost)?;
                Ok(Slot { link, _of_link: of_link, _of_all: of_all })
            }
            Err(error) => {
                links.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn dial(&self) -> Result<Link, ConnectionError> {
        let endpoint = &self.0.endpoint;
        let key = parse_host_key(endpoint)?;
        let config = config(host_key_algorithms(&key));
        let dialled = async {
            let addresses = resolve(endpoint).await?;
            let auth = AuthMethod::with_key(self.0.private_key.expose_secret(), None);
            let check = ServerCheckMethod::PublicKey(key.public_key_base64());
            Client::connect_with_config(addresses, &endpoint.user, auth, check, config)
                .await
                .map_err(|error| connection_error(endpoint, &error))
        };
        let client = tokio::time::timeout(DIAL_TIMEOUT, dialled).await.unwrap_or_else(|_| {
            Err(unreachable(endpoint, format!("no response within {} s", DIAL_TIMEOUT.as_secs())))
        })?;
        tracing::info!(server.address = %endpoint, "Connected to {endpoint}.");
        Ok(Link { client, slots: Arc::new(Semaphore::new(SESSIONS_PER_LINK)), broken: CancellationToken::new() })
    }
}

#[async_trait]
impl ServerConnection for Ssh {
    async fn open(&self) -> Result<Guard, ConnectionError> {
        let guard = match self.take_warm() {
            Some(guard) => guard,
            None => match self.start_guard(false).await {
                // A connection that was just cut. Nothing was ordered yet, so another try does no harm.
                Err(ConnectionError::Lost) => self.start_guard(false).await?.1,
                started => started?.1,
            },
        };
        self.warm_up();
        Ok(guard)
    }
}

/// Moves what the channel says into events, and keeps the slot until the session is over: sshd counts one for as long
/// as its process lives.
fn pipe(channel: Channel<Msg>, slot: Slot) -> Pipe {
    let (sender, events) = mpsc::channel(EVENTS_IN_FLIGHT);
    let (mut reader, writer) = channel.split();
    let input = Box::new(writer.make_writer());
    tokio::spawn(async move {
        let mut exited = false;
        loop {
            let event = tokio::select! {
                message = reader.wait() => match message {
                    Some(ChannelMsg::Data { data }) => Event::Stdout(data),
                    Some(ChannelMsg::ExtendedData { data, .. }) => Event::Stderr(data),
                    Some(ChannelMsg::Close) | None => break,
                    Some(message) => {
                        exited |= is_exit(&message);
                        continue;
                    }
                },
                () = sender.closed() => break,
            };
            if sender.send(event).await.is_err() {
                break;
            }
        }
        drop(sender);
        close(&mut reader, &writer, exited).await;
        drop(slot);
    });
    Pipe { input, events }
}

fn is_exit(message: &ChannelMsg) -> bool {
    matches!(message, ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. })
}

/// Ends a session that is no longer read: the end of its stdin asks the guard to end, and the command may need a while. A daemon that holds the output would keep the channel open for ever.
async fn close(reader: &mut ChannelReadHalf, writer: &ChannelWriteHalf<Msg>, mut exited: bool) {
    if writer.eof().await.is_err() {
        return;
    }
    let exit = async {
        while !exited {
            let Some(message) = reader.wait().await else { return };
            exited = is_exit(&message) || matches!(message, ChannelMsg::Close);
        }
    };
    drop(tokio::time::timeout(END_TIMEOUT, exit).await);
    if writer.close().await.is_ok() {
        drop(tokio::time::timeout(CLOSE_TIMEOUT, async { while reader.wait().await.is_some() {} }).await);
    }
}

fn config(key: Cow<'static, [Algorithm]>) -> Config {
    Config {
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        preferred: russh::Preferred { key, ..russh::Preferred::default() },
        ..Config::default()
    }
}

/// Only the pinned key's algorithms are offered, or a host with several keys would show another one.
fn host_key_algorithms(key: &PublicKey) -> Cow<'static, [Algorithm]> {
    match key.algorithm() {
        Algorithm::Rsa { .. } => Cow::Owned(vec![
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ]),
        other => Cow::Owned(vec![other]),
    }
}

fn parse_host_key(endpoint: &Endpoint) -> Result<PublicKey, ConnectionError> {
    PublicKey::from_openssh(&endpoint.host_key).map_err(|error| ConnectionError::Settings {
        host: endpoint.to_string(),
        reason: format!(
            "servers.ssh_host_key is no public key in OpenSSH's format ({error}). Remove the server and add it again \
             with `pinacle-worker servers add`"
        ),
    })
}

/// The addresses of a name; the first that responds is used.
struct Addresses(Vec<SocketAddr>);

impl ToSocketAddrsWithHostname for Addresses {
    fn to_socket_addrs(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }

    fn hostname(&self) -> String {
        self.0.first().map(|address| address.ip().to_string()).unwrap_or_default()
    }
}

/// DNS without blocking the runtime, as the library would.
async fn resolve(endpoint: &Endpoint) -> Result<Addresses, ConnectionError> {
    let addresses = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| unreachable(endpoint, error.to_string()))?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    if addresses.is_empty() {
        Err(unreachable(endpoint, "its name has no address".to_owned()))
    } else {
        Ok(Addresses(addresses))
    }
}

fn connection_error(endpoint: &Endpoint, error: &async_ssh2_tokio::Error) -> ConnectionError {
    use async_ssh2_tokio::Error;
    let host = endpoint.to_string();
    match error {
        Error::ServerCheckFailed | Error::SshError(russh::Error::UnknownKey | russh::Error::NoCommonAlgo { .. }) => {
            ConnectionError::HostKey { host }
        }
        Error::KeyAuthFailed => ConnectionError::Refused { host, user: endpoint.user.clone() },
        Error::KeyInvalid(error) => ConnectionError::Settings {
            host,
            reason: format!("SSH_PRIVATE_KEY is no private key that can be read ({error})"),
        },
        Error::SshError(error) => unreachable(endpoint, error.to_string()),
        other => unreachable(endpoint, other.to_string()),
    }
}

fn unreachable(endpoint: &Endpoint, reason: String) -> ConnectionError {
    ConnectionError::Unreachable { host: endpoint.to_string(), reason }
}

/// Asks a host for its public host key, to be pinned. A host that has several shows the one of `expected`'s kind.
///
/// # Errors
/// The host can't be reached, speaks no SSH, or has no key of that kind.
pub async fn fetch_host_key(host: &str, port: u16, expected: Option<&PublicKey>) -> Result<String, ConnectionError> {
    let endpoint = Endpoint { host: host.to_owned(), port, user: String::new(), host_key: String::new() };
    let (handler, seen) = KeyCollector::new();
    let fetched = async {
        let addresses = resolve(&endpoint).await?;
        // The handshake is broken off once the key was seen, so its result says nothing.
        let config = expected.map_or_else(Config::default, |key| config(host_key_algorithms(key)));
        let met = russh::client::connect(Arc::new(config), &*addresses.0, handler).await;
        if let Err(russh::Error::NoCommonAlgo { .. }) = met {
            return Err(ConnectionError::HostKey { host: endpoint.to_string() });
        }
        let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        key.ok_or_else(|| unreachable(&endpoint, "no SSH server showed a host key".to_owned()))
    };
    let key: PublicKey = tokio::time::timeout(DIAL_TIMEOUT, fetched)
        .await
        .unwrap_or_else(|_| Err(unreachable(&endpoint, format!("no response within {} s", DIAL_TIMEOUT.as_secs()))))?;
    key.to_openssh()
        .map_err(|error| ConnectionError::Settings { host: endpoint.to_string(), reason: error.to_string() })
}

struct KeyCollector(Arc<Mutex<Option<PublicKey>>>);

impl KeyCollector {
    fn new() -> (Self, Arc<Mutex<Option<PublicKey>>>) {
        let seen = Arc::default();
        (Self(Arc::clone(&seen)), seen)
    }
}

impl russh::client::Handler for KeyCollector {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKey) -> Result<bool, Self::Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(false)
    }
}
