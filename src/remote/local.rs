//! The machine the worker runs on, as a pod host.

use std::process::Stdio;

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    ConnectionError,
    connection::ServerConnection,
    guard::{Event, Guard, Pipe, SCRIPT, START_TIMEOUT},
};

/// Chunks of output between the guard and the log: a slow database makes the command wait, not the memory grow.
const EVENTS_IN_FLIGHT: usize = 16;
const CHUNK_BYTES: usize = 32 * 1024;

/// What the guard and its commands are given of the worker's environment: what finds programs and files, what they speak,
/// and which Docker it is. All else is the worker's own, its secrets above all, and could be read in `/proc`.
const KEPT_VARIABLES: [&str; 10] = [
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
];

pub struct Local;

#[async_trait]
impl ServerConnection for Local {
    async fn open(&self) -> Result<Guard, ConnectionError> {
        // A process group of its own: a Ctrl-C at the worker's terminal is for the worker alone.
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| ConnectionError::NoShell(error.to_string()))?;
        let (Some(input), Some(stdout), Some(stderr)) = (shell.stdin.take(), shell.stdout.take(), shell.stderr.take())
        else {
            return Err(ConnectionError::Lost);
        };
        let (sender, events) = mpsc::channel(EVENTS_IN_FLIGHT);
        tokio::spawn(forward(stdout, sender.clone(), Event::Stdout));
        tokio::spawn(forward(stderr, sender, Event::Stderr));
        tokio::spawn(async move { shell.wait().await });
        let started = Guard::handshake(Pipe { input: Box::new(input), events }, CancellationToken::new());
        tokio::time::timeout(START_TIMEOUT, started).await.unwrap_or_else(|_| {
            Err(ConnectionError::NoShell(format!("it did not start within {} s", START_TIMEOUT.as_secs())))
        })
    }
}

async fn forward(mut stream: impl AsyncRead + Unpin, sender: mpsc::Sender<Event>, event: fn(bytes::Bytes) -> Event) {
    let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
    loop {
        // A daemon that the command left may hold the stream open for ever.
        let read = tokio::select! {
            read = stream.read_buf(&mut buffer) => read,
            () = sender.closed() => break,
        };
        if !matches!(read, Ok(1..)) || sender.send(event(buffer.split().freeze())).await.is_err() {
            break;
        }
        buffer.reserve(CHUNK_BYTES);
    }
}
