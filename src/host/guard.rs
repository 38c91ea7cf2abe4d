//! The worker's end of the guard's protocol (`guard.sh`). The guard is the host's half of the fence: it refuses an
//! order of an older lease and ends what an older lease still runs. Both transports, and a container, speak it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    ConnectionError,
    command::{Command, NulByte, quote},
};

/// The script itself.
pub const SCRIPT: &str = include_str!("guard.sh");

/// The name of an order that belongs to no pod.
const NO_FENCE: &str = "-";
/// Begins every line of the guard's own.
const MARK: u8 = 0x1e;
const GREETING: &[u8] = b"\x1epinacle-guard ";
/// A login shell may print before the guard greets; more noise than this is not a login shell's.
const MAX_NOISE_BYTES: usize = 64 * 1024;
/// How much longer the guard outside a container waits than the one inside it.
const OUTER_MARGIN: Duration = Duration::from_secs(15);
/// The exit code of what SIGTERM has ended.
const ENDED_BEFORE_IT_RAN: i32 = 128 + 15;

/// What comes back from a guard.
#[derive(Debug)]
pub enum Event {
    Stdout(Bytes),
    Stderr(Bytes),
}

/// A shell on the host with the guard in it: the two ends of its stdin, stdout and stderr. Dropping it ends the guard
/// and what it runs.
pub struct Pipe {
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Closed when the guard's output ends.
    pub events: mpsc::Receiver<Event>,
}

/// A guard that has greeted and waits for its order.
pub struct Guard {
    pub(super) pipe: Pipe,
    /// The host's uptime at [`Guard::greeted_at`], in seconds.
    uptime: u64,
    greeted_at: Instant,
    /// To be cancelled where the guard did not answer: its connection is not used again.
    pub(super) broken: CancellationToken,
}

/// The lease that a command of a pod runs under.
#[derive(Debug, Clone)]
pub struct FencedBy {
    pub pod_id: String,
    pub lease: i64,
    /// Up to here the worker surely holds the lease.
    pub valid_until: Instant,
}

/// The guard's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Exited(i32),
    TimedOut(i32),
    /// Ended by the worker's wish, or by a newer lease's.
    Ended(i32),
    /// A newer lease has run on this host.
    Fenced,
    /// The order reached the host after the lease could have passed to another worker.
    Expired,
    /// A command of an older lease could not be ended.
    Busy,
}

impl Guard {
    /// Waits for the guard's greeting on both streams; what a login shell printed before it is dropped.
    pub async fn greet(mut pipe: Pipe, broken: CancellationToken) -> Result<Self, ConnectionError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (mut uptime, mut stderr_clear) = (None, false);
        while uptime.is_none() || !stderr_clear {
            match pipe.events.recv().await {
                Some(Event::Stdout(bytes)) => stdout.extend_from_slice(&bytes),
                Some(Event::Stderr(bytes)) => stderr.extend_from_slice(&bytes),
                None => return Err(ConnectionError::NoShell(String::from_utf8_lossy(&stderr).trim().to_owned())),
            }
            if stdout.len() + stderr.len() > MAX_NOISE_BYTES {
                return Err(ConnectionError::NoShell("it printed without end".to_owned()));
            }
            uptime = uptime.or_else(|| greeting(&stdout));
            stderr_clear = stderr_clear || greeting(&stderr).is_some();
        }
        Ok(Self { pipe, uptime: uptime.unwrap_or_default(), greeted_at: Instant::now(), broken })
    }

    /// Whether it still waits for its order.
    pub fn is_waiting(&self) -> bool {
        !self.pipe.events.is_closed() && !self.broken.is_cancelled()
    }

    /// Sends the order for `command`, and its stdin.
    pub async fn order(&mut self, command: &Command, fence: Option<&FencedBy>) -> Result<Order, ConnectionError> {
        let order = Order { nonce: Uuid::new_v4().simple().to_string(), limit: limit_of(command) };
        let bytes = self.encode(command, fence, &order).map_err(ConnectionError::Command)?;
        self.pipe.input.write_all(&bytes).await.map_err(|_| ConnectionError::Lost)?;
        self.pipe.input.flush().await.map_err(|_| ConnectionError::Lost)?;
        Ok(order)
    }

    fn encode(&self, command: &Command, fence: Option<&FencedBy>, order: &Order) -> Result<Vec<u8>, NulByte> {
        let input = command.input.expose_secret().as_bytes();
        let limit = order.limit.as_secs().to_string();
        let own = |command: &Command| command.exposed_argv().map(str::to_owned).collect::<Vec<_>>();
        let (argv, input_bytes) = match &command.container {
            None => (own(command), input.len().to_string()),
            Some(container) => {
                let exec = ["docker", "exec", "-i", container, "sh", "-c", SCRIPT];
                (exec.map(str::to_owned).to_vec(), "all".to_owned())
            }
        };
        let sudo: &[&str] = if command.sudo { &["sudo", "-n", "--"] } else { &[] };
        let (fence_name, lease, expires) = match fence {
            Some(fence) => (fence.pod_id.as_str(), fence.lease, self.uptime_at(fence.valid_until)),
            None => (NO_FENCE, 0, 0),
        };
        let close = if command.closes_fence { "close" } else { "keep" };
        let (lease, expires) = (lease.to_string(), expires.to_string());
        let words = [fence_name, &lease, &expires, &limit, close];
        let words: Vec<&str> =
            words.into_iter().chain(sudo.iter().copied()).chain(argv.iter().map(String::as_str)).collect();
        let mut bytes = encode_order(&order.nonce, &words, &input_bytes)?;

        if command.container.is_some() {
            let limit = command.timeout.as_secs().to_string();
            let words: Vec<&str> =
                [NO_FENCE, "0", "0", &limit, "keep"].into_iter().chain(command.exposed_argv()).collect();
            bytes.extend(encode_order(&order.inner_nonce(), &words, &input.len().to_string())?);
        }
        bytes.extend_from_slice(input);
        Ok(bytes)
    }

    /// The host's uptime at a moment of ours, so that no clock of the host's is believed.
    fn uptime_at(&self, moment: Instant) -> u64 {
        self.uptime + moment.saturating_duration_since(self.greeted_at).as_secs()
    }
}

fn encode_order(nonce: &str, words: &[&str], input_bytes: &str) -> Result<Vec<u8>, NulByte> {
    let order = quote(words.iter().copied().chain([nonce]))?;
    let mut bytes = format!("{nonce} {} {input_bytes}\n", order.len()).into_bytes();
    bytes.extend_from_slice(order.as_bytes());
    Ok(bytes)
}

fn limit_of(command: &Command) -> Duration {
    if command.container.is_some() { command.timeout + OUTER_MARGIN } else { command.timeout }
}

/// An order under way.
pub struct Order {
    nonce: String,
    /// When the guard itself ends the command.
    pub limit: Duration,
}

impl Order {
    fn inner_nonce(&self) -> String {
        format!("{}-inside", self.nonce)
    }
}

fn greeting(bytes: &[u8]) -> Option<u64> {
    let start = find(bytes, GREETING)? + GREETING.len();
    let end = start + bytes[start..].iter().position(|&byte| byte == b'\n')?;
    std::str::from_utf8(&bytes[start..end]).ok()?.parse().ok()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Tells the guard's own lines in one stream from the command's output. They carry a nonce that the command is never
/// told, so no output can pretend to be one. Both streams end with one, so that neither is cut short by the other.
pub struct StreamReader {
    nonce: String,
    inner_nonce: Option<String>,
    held: Vec<u8>,
    outer: Option<Verdict>,
    inner: Option<Verdict>,
}

impl StreamReader {
    pub fn new(order: &Order, command: &Command) -> Self {
        let inner_nonce = command.container.as_ref().map(|_| order.inner_nonce());
        Self { nonce: order.nonce.clone(), inner_nonce, held: Vec::new(), outer: None, inner: None }
    }

    /// The part of `bytes` that is the command's own. A line that could still turn out to be the guard's is held back.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        if self.held.is_empty() && !bytes.contains(&MARK) {
            return bytes;
        }
        self.held.extend_from_slice(&bytes);
        let mut output = Vec::new();
        while let Some(mark) = self.held.iter().position(|&byte| byte == MARK) {
            output.extend(self.held.drain(..mark));
            match self.held.iter().position(|&byte| byte == b'\n') {
                None if self.may_be_ours() => return output.into(),
                Some(end) if self.take(end) => drop(self.held.drain(..=end)),
                _ => output.push(self.held.remove(0)),
            }
        }
        output.append(&mut self.held);
        output.into()
    }

    fn ours(&self) -> impl Iterator<Item = Vec<u8>> {
        let inside = self.inner_nonce.as_ref().map(|nonce| format!("\x1e{nonce} ").into_bytes());
        let greeting = self.inner_nonce.as_ref().map(|_| GREETING.to_vec());
        [Some(format!("\x1e{} ", self.nonce).into_bytes()), inside, greeting].into_iter().flatten()
    }

    fn may_be_ours(&self) -> bool {
        let held = &self.held;
        self.ours()
            .any(|start| if held.len() < start.len() { start.starts_with(held) } else { held.starts_with(&start) })
    }

    /// Whether the line that is held up to `end` is the guard's; if so, it is understood.
    fn take(&mut self, end: usize) -> bool {
        let line = String::from_utf8_lossy(&self.held[1..end]).into_owned();
        let mut words = line.split_whitespace();
        let (Some(nonce), Some(outcome)) = (words.next(), words.next()) else { return false };
        let code = words.next().and_then(|code| code.parse().ok()).unwrap_or_default();
        if nonce == self.nonce {
            self.outer = verdict(outcome, code);
            self.outer.is_some()
        } else if self.inner_nonce.as_deref() == Some(nonce) {
            self.inner = verdict(outcome, code);
            self.inner.is_some()
        } else {
            // The guard inside the container greets, too, before the command's output.
            self.inner_nonce.is_some() && self.inner.is_none() && self.held.starts_with(GREETING)
        }
    }

    /// What the guard said, once it has spoken. In a container the inner guard knows better how the command ended: the
    /// outer one sees `docker exec`, which is well as long as the inner guard is. Where the inner one said nothing,
    /// `docker exec` itself failed, and its exit code stands; or it was ended before it had its order, and then its
    /// exit code is not the command's.
    pub fn verdict(&self) -> Option<Verdict> {
        match (self.outer?, self.inner) {
            (Verdict::Exited(_) | Verdict::Ended(_), Some(inner)) => Some(inner),
            (Verdict::Ended(_), None) if self.inner_nonce.is_some() => Some(Verdict::Ended(ENDED_BEFORE_IT_RAN)),
            (outer, _) => Some(outer),
        }
    }

    /// What is left when the stream ends.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn verdict(outcome: &str, code: i32) -> Option<Verdict> {
    Some(match outcome {
        "exited" => Verdict::Exited(code),
        "timed-out" => Verdict::TimedOut(code),
        "ended" => Verdict::Ended(code),
        "fenced" => Verdict::Fenced,
        "expired" => Verdict::Expired,
        "busy" => Verdict::Busy,
        _ => return None,
    })
}
