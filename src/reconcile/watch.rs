//! Follows Docker's events on every host, so that a container that dies is noticed at once. After a stream has ended,
//! the whole host is compared: no event reports what happened meanwhile.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::{sync::mpsc, task::AbortHandle};
use tokio_util::sync::CancellationToken;

use super::{
    compare::{Action, Drift},
    reconciler::Reconciler,
};
use crate::{
    docker::names::{POD_LABEL, is_foreign},
    every::Every,
    model::{JobKind, PodStatus},
    remote::{Command, ConnectionError, Output},
    store::{
        reconcile::{PodRecord, pod_records, see},
        servers::{self, Server},
    },
};

/// How often the list of servers is read.
const SERVERS_INTERVAL: Duration = Duration::from_secs(5);
/// Every command on a host has a time limit; this one is started again after it.
const STREAM_LIMIT: Duration = Duration::from_hours(1);
/// Covers the pause between two streams. An event that arrives twice does no harm.
const OVERLAP: &str = "10s";
/// The pause before the next stream of a server.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// How long the streams may take to end when the worker stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many events may wait for the database.
const EVENTS_IN_FLIGHT: usize = 256;
/// The longest event, in bytes; the rest of a longer line is dropped.
const MAX_LINE: usize = 16 * 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct Died {
    pub(crate) pod: String,
    pub(crate) installation: Option<String>,
    pub(crate) exit_code: String,
}

const FORMAT: &str = r#"{"pod":{{json (index .Actor.Attributes "pinacle.pod")}},"installation":{{json (index .Actor.Attributes "pinacle.installation")}},"exit_code":{{json (index .Actor.Attributes "exitCode")}}}"#;

/// Watches every server that is not offline, until `end`.
pub async fn watch(reconciler: Reconciler, end: CancellationToken) {
    let mut watchers: HashMap<String, AbortHandle> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut every = Every::new(SERVERS_INTERVAL, end.clone());
    while every.round().await {
        let servers = end.run_until_cancelled(servers::in_use(&reconciler.db)).await;
        for server in servers.and_then(Result::ok).unwrap_or_default() {
            if watchers.get(&server.id).is_none_or(AbortHandle::is_finished) {
                let (id, watcher) = (server.id.clone(), follow(reconciler.clone(), server.id, end.clone()));
                watchers.insert(id, tasks.spawn(watcher));
            }
        }
    }
    // The watchers end their commands on the hosts; a silent host is not waited for.
    drop(tokio::time::timeout(CLOSE_TIMEOUT, tasks.join_all()).await);
}

/// Watches a server until it is gone or offline.
async fn follow(reconciler: Reconciler, server_id: String, end: CancellationToken) {
    let mut lost = false;
    while !end.is_cancelled() {
        match servers::get(&reconciler.db, &server_id).await {
            Ok(Some(server)) if server.status != "offline" => {
                let look = async {
                    if lost {
                        reconciler.server(&server, &end).await;
                    }
                };
                let (streamed, ()) = tokio::join!(stream(&reconciler, &server, &end), look);
                if let Err(error) = streamed {
                    tracing::debug!(server.name = %server.name, %error, "The events of server {} are lost.", server.name);
                }
            }
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, "The events wait for the database."),
        }
        lost = true;
        tokio::select! {
            () = tokio::time::sleep(RETRY_PAUSE) => {}
            () = end.cancelled() => {}
        }
    }
}

/// Handles the events of a server until the stream ends.
async fn stream(reconciler: &Reconciler, server: &Server, end: &CancellationToken) -> Result<(), ConnectionError> {
    let host = reconciler.hosts.get(server)?;
    let follow = Command::docker(host.docker_needs_sudo().await?)
        .args(["events", "--since", OVERLAP, "--filter", "type=container", "--filter", "event=die"])
        .args(["--filter", &format!("label={POD_LABEL}"), "--format", FORMAT])
        .timeout(STREAM_LIMIT);
    let (sender, mut events) = mpsc::channel(EVENTS_IN_FLIGHT);
    let mut lines = Lines { sender, line: Vec::new() };
    let listen = async {
        let outcome = host.connection.exec(&follow, None, &mut lines, end).await;
        drop(lines);
        outcome
    };
    let handle = async {
        while let Some(died) = events.recv().await {
            if let Err(error) = reconciler.died(server, &died).await {
                tracing::warn!(%error, pod.id = %died.pod, "The end of a container is left to the next reconciliation.");
            }
        }
    };
    let (outcome, ()) = tokio::join!(listen, handle);
    outcome.map(drop)
}

impl Reconciler {
    /// Handles the end of a container. Where a job of the pod runs or is due, that is left to the job.
    async fn died(&self, server: &Server, died: &Died) -> Result<(), sqlx::Error> {
        if is_foreign(died.installation.as_deref(), &self.installation) {
            return Ok(());
        }
        let pods = pod_records(&self.db, &server.id, std::slice::from_ref(&died.pod)).await?;
        let here = |pod: &PodRecord| pod.id == died.pod && pod.server_id.as_ref() == Some(&server.id);
        let Some(pod) = pods.into_iter().find(here) else { return Ok(()) };
        if !pod.busy {
            see(&self.db, &pod.id, pod.lease, false).await?;
        }
        if pod.status == PodStatus::Running && !pod.busy {
            let what = format!("its container ended (exit code {})", died.exit_code);
            let drift = Drift { pod, what, action: Action::Ask(JobKind::Start) };
            let done = self.repair(&drift).await?;
            let Drift { pod, what, .. } = drift;
            tracing::warn!(server.name = %server.name, pod.id = %pod.id, "pod {}: {what}; {done}.", pod.slug);
        }
        Ok(())
    }
}

/// Cuts the output into events.
pub(crate) struct Lines {
    pub(crate) sender: mpsc::Sender<Died>,
    pub(crate) line: Vec<u8>,
}

#[async_trait]
impl Output for Lines {
    async fn stdout(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let event = serde_json::from_slice(&std::mem::take(&mut self.line));
                    if let Ok(died) = event {
                        drop(self.sender.send(died).await);
                    }
                }
                byte if self.line.len() < MAX_LINE => self.line.push(byte),
                _ => {}
            }
        }
    }

    async fn stderr(&mut self, bytes: &[u8]) {
        tracing::debug!("docker events: {}", String::from_utf8_lossy(bytes).trim());
    }
}
