//! The worker's end of the guard's protocol (`guard.sh`). The guard is the host's half of the fence: it refuses an
//! order of an older lease and ends what an older lease still runs. Both transports speak it. A command in a container has
//! a second guard there, which ends the command itself where the first can only end `docker exec`.

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
    command::{Command, InnerGuard, NulByte, quote},
};
use crate::{fault, model::LeaseClock};

/// The script itself.
pub const SCRIPT: &str = include_str!("guard.sh");
/// Where the base image has the guard for commands inside a pod.
const PROGRAM: &str = "/usr/lib/pinacle/guard";

/// The name of an order that belongs to no pod.
const NO_FENCE: &str = "-";
/// Begins every line of the guard's own.
const MARK: u8 = 0x1e;
const BANNER: &[u8] = b"\x1epinacle-guard ";
/// A login shell may print before the guard's banner; more than this is not a login shell's.
const MAX_NOISE_BYTES: usize = 64 * 1024;
/// No line of the guard's own is longer: the mark, a nonce, an outcome and an exit code.
const MAX_LINE_BYTES: usize = 96;
/// How much longer the guard outside a container waits than the one inside it.
const OUTER_MARGIN: Duration = Duration::from_secs(15);
/// The most that is sent for one command, its arguments and its stdin. It is less than the 2 MiB that sshd takes before
/// anyone has read them: beyond that, one command that does not read its stdin can stop all others on the connection
/// (russh 0.62 sends nothing for any channel while one channel's window is closed).
const MAX_SENT_BYTES: usize = 1536 * 1024;
/// A shell that does not start within this counts as lost.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(20);
/// A guard that waits for longer is not used: by then the host's clock and ours may have drifted apart.
const MAX_WAIT: Duration = Duration::from_hours(1);
/// The exit codes of `docker exec` itself that say how the command ended: there is no shell in the container, or the
/// container was killed with all that ran in it, for instance because it needed more memory than it has.
const CONTAINER_EXIT_CODES: [i32; 3] = [126, 127, 137];
/// How long the end of stdin may take on its way, on a connection that may be dead.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(1);

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

/// A guard that has printed its banner and waits for its order.
pub struct Guard {
    pub(super) pipe: Pipe,
    /// The host's uptime at [`Guard::ready_at`], in seconds.
    uptime: u64,
    ready_at: Instant,
    /// Cancelled where the guard does not respond: its connection is not used again.
    pub(super) broken: CancellationToken,
}

/// The lease that a command of a pod runs under.
#[derive(Debug, Clone)]
pub struct FencedBy {
    pub pod_id: String,
    pub lease: i64,
    /// Up to when the worker surely holds the lease, read at the last moment.
    pub clock: LeaseClock,
}

/// The guard's last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardReply {
    Exited(i32),
    TimedOut(i32),
    /// Ended on request of the worker, or of a newer lease.
    Ended(i32),
    /// A newer lease has run on this host.
    Fenced,
    /// The order reached the host after the lease could have passed to another worker.
    Expired,
    /// A command of an older lease could not be ended.
    Busy,
    /// The fence file could not be written or locked.
    Unfenced,
    /// `docker exec` ended and the guard inside the container did not say how its command did.
    CutOff,
}

impl GuardReply {
    /// Whether it says how a command ended.
    fn is_of_a_command(self) -> bool {
        matches!(self, Self::Exited(_) | Self::TimedOut(_) | Self::Ended(_))
    }
}

impl Guard {
    /// Waits for the guard's banner on both streams; what a login shell printed before it is dropped.
    pub async fn handshake(mut pipe: Pipe, broken: CancellationToken) -> Result<Self, ConnectionError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (mut uptime, mut stderr_clear) = (None, false);
        while uptime.is_none() || !stderr_clear {
            match pipe.events.recv().await {
                Some(Event::Stdout(bytes)) => stdout.extend_from_slice(&bytes),
                Some(Event::Stderr(bytes)) => stderr.extend_from_slice(&bytes),
                // A program such as nologin explains itself on either stream.
                None => {
                    let printed = [stderr, stdout].concat();
                    return Err(ConnectionError::NoShell(String::from_utf8_lossy(&printed).trim().to_owned()));
                }
            }
            if stdout.len() + stderr.len() > MAX_NOISE_BYTES {
                return Err(ConnectionError::NoShell("it printed without end".to_owned()));
            }
            uptime = uptime.or_else(|| banner_in(&stdout));
            stderr_clear = stderr_clear || banner_in(&stderr).is_some();
        }
        Ok(Self { pipe, uptime: uptime.unwrap_or_default(), ready_at: Instant::now(), broken })
    }

    /// Whether it still waits for its order.
    pub fn is_waiting(&self) -> bool {
        !self.pipe.events.is_closed() && self.ready_at.elapsed() < MAX_WAIT
    }

    /// The order for `command`, and all that is to be sent for it.
    pub(super) fn order(
        &self,
        command: &Command,
        fence: Option<&FencedBy>,
    ) -> Result<(Order, Vec<u8>), ConnectionError> {
        let fence = fence.filter(|_| fault::host_is_fenced());
        let order = Order { nonce: nonce(), inner_nonce: nonce(), limit: limit_of(command) };
        let valid_until = fence.map(|fence| fence.clock.valid_until());
        if valid_until.is_some_and(|moment| moment <= Instant::now()) {
            return Err(ConnectionError::Expired);
        }
        let fence = fence.zip(valid_until).map(|(fence, until)| (&*fence.pod_id, fence.lease, self.uptime_at(until)));
        let bytes = encode(command, fence, &order)?;
        if bytes.len() > MAX_SENT_BYTES { Err(ConnectionError::TooLarge(bytes.len())) } else { Ok((order, bytes)) }
    }

    /// The host's uptime at a moment of ours, so that no clock of the host's is believed. A host may say any number.
    fn uptime_at(&self, moment: Instant) -> u64 {
        self.uptime.saturating_add(moment.saturating_duration_since(self.ready_at).as_secs())
    }
}

fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

/// All that is sent for a command; the fence is the pod's id, the lease, and the host's uptime that it is valid up to.
fn encode(command: &Command, fence: Option<(&str, i64, u64)>, order: &Order) -> Result<Vec<u8>, NulByte> {
    let input = command.input.expose_secret().as_bytes();
    let (fence, lease, expires) = fence.unwrap_or((NO_FENCE, 0, 0));
    let numbers = [lease.to_string(), expires.to_string(), whole_seconds(order.limit)];
    let close = if command.closes_fence { "close" } else { "keep" };
    let mut words = vec![fence, &numbers[0], &numbers[1], &numbers[2], close];
    words.extend(command.sudo_words());
    let Some(container) = &command.container else {
        words.extend(command.argv());
        return Ok([&*encode_order(&order.nonce, &words, &input.len().to_string())?, input, b"\n"].concat());
    };
    words.extend(["docker", "exec", "-i", &container.name]);
    let (limit, input_bytes) = (whole_seconds(command.timeout), input.len().to_string());
    let inner = match container.guard {
        InnerGuard::Program => {
            words.push(PROGRAM);
            let words: Vec<&str> = [&*limit].into_iter().chain(command.argv()).chain([&*order.inner_nonce]).collect();
            with_head(&order.inner_nonce, &words.join("\0"), &input_bytes)
        }
        InnerGuard::Script => {
            words.extend(["sh", "-c", SCRIPT]);
            let words: Vec<&str> = [NO_FENCE, "0", "0", &limit, "keep"].into_iter().chain(command.argv()).collect();
            encode_order(&order.inner_nonce, &words, &input_bytes)?
        }
    };
    Ok([&*encode_order(&order.nonce, &words, "all")?, &inner, input, b"\n"].concat())
}

fn encode_order(nonce: &str, words: &[&str], input_bytes: &str) -> Result<Vec<u8>, NulByte> {
    Ok(with_head(nonce, &quote(words.iter().copied().chain([nonce]))?, input_bytes))
}

fn with_head(nonce: &str, words: &str, input_bytes: &str) -> Vec<u8> {
    format!("{nonce} {} {input_bytes}\n{words}", words.len()).into_bytes()
}

fn limit_of(command: &Command) -> Duration {
    if command.container.is_some() { command.timeout + OUTER_MARGIN } else { command.timeout }
}

/// For `timeout`, which takes 0 for no limit at all.
fn whole_seconds(limit: Duration) -> String {
    limit.as_secs().saturating_add(u64::from(limit.subsec_nanos() > 0)).max(1).to_string()
}

/// An order and the command's stdin on their way to the guard. They are sent while the output is read: a command may
/// write before it has read all, and need not read at all.
pub(super) struct Feed {
    input: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    bytes: Vec<u8>,
    sent: usize,
}

impl Feed {
    pub(super) fn new(input: Box<dyn AsyncWrite + Send + Unpin>, bytes: Vec<u8>) -> Self {
        Self { input: Some(input), bytes, sent: 0 }
    }

    /// Sends a part of what is left. Where nothing is left, or nobody reads, it waits for ever: the output says how the
    /// command ended. Dropping the future loses nothing.
    pub(super) async fn send(&mut self) {
        match &mut self.input {
            Some(input) if self.sent < self.bytes.len() => match input.write(&self.bytes[self.sent..]).await {
                Ok(sent @ 1..) => self.sent += sent,
                Ok(0) | Err(_) => self.input = None,
            },
            _ => std::future::pending().await,
        }
    }

    /// Ends the guard's stdin, which requests the end of the command.
    pub(super) async fn hang_up(&mut self) {
        if let Some(mut input) = self.input.take() {
            drop(tokio::time::timeout(HANG_UP_TIMEOUT, input.shutdown()).await);
        }
    }
}

/// An order under way.
pub(crate) struct Order {
    pub(crate) nonce: String,
    /// Of the guard inside a container. The pod's root may learn it, so it has nothing in common with the other.
    pub(crate) inner_nonce: String,
    /// When the guard itself ends the command.
    pub(crate) limit: Duration,
}

fn banner_in(bytes: &[u8]) -> Option<u64> {
    // The last: whatever looks like it before that is noise.
    let start = bytes.windows(BANNER.len()).rposition(|window| window == BANNER)? + BANNER.len();
    let end = start + bytes[start..].iter().position(|&byte| byte == b'\n')?;
    std::str::from_utf8(&bytes[start..end]).ok()?.parse().ok()
}

/// Separates the guard's own lines in one stream from the command's output. They carry a nonce that the command never
/// learns, so no output can pass for one. Both streams end with one, so that neither is cut short by the other.
pub(crate) struct StreamReader {
    nonce: String,
    /// Of the guard inside the container, where there is one.
    inner_nonce: Option<String>,
    /// What the lines that are still to come begin with.
    expected: Vec<Vec<u8>>,
    held: Vec<u8>,
    outer: Option<GuardReply>,
    inner: Option<GuardReply>,
}

enum Line {
    /// The guard's, with this many bytes.
    Ours(usize),
    /// So far, yes.
    Perhaps,
    No,
}

impl StreamReader {
    pub(crate) fn new(order: &Order, command: &Command) -> Self {
        let inner_nonce = command.container.as_ref().map(|_| order.inner_nonce.clone());
        let mut expected = vec![format!("\x1e{} ", order.nonce).into_bytes()];
        if let Some(nonce) = &inner_nonce {
            expected.extend([format!("\x1e{nonce} ").into_bytes(), BANNER.to_vec()]);
        }
        Self { nonce: order.nonce.clone(), inner_nonce, expected, held: Vec::new(), outer: None, inner: None }
    }

    /// The part of `bytes` that is the command's own. A line that could still turn out to be the guard's is held back.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Bytes {
        if self.held.is_empty() && !bytes.contains(&MARK) {
            return bytes;
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(&bytes);
        let mut output = Vec::with_capacity(held.len());
        let mut rest = &*held;
        while let Some(mark) = rest.iter().position(|&byte| byte == MARK) {
            output.extend_from_slice(&rest[..mark]);
            rest = &rest[mark..];
            match self.line(rest) {
                Line::Ours(length) => rest = &rest[length..],
                Line::Perhaps => {
                    self.held = rest.to_vec();
                    return output.into();
                }
                Line::No => {
                    output.push(MARK);
                    rest = &rest[1..];
                }
            }
        }
        output.extend_from_slice(rest);
        output.into()
    }

    /// Whether a line of the guard's stands at the beginning; if so, it is understood.
    fn line(&mut self, bytes: &[u8]) -> Line {
        if !self.expected.iter().any(|start| bytes.starts_with(start) || start.starts_with(bytes)) {
            return Line::No;
        }
        match bytes.iter().take(MAX_LINE_BYTES).position(|&byte| byte == b'\n') {
            None if bytes.len() < MAX_LINE_BYTES => Line::Perhaps,
            Some(end) if self.take(&bytes[..end]) => Line::Ours(end + 1),
            _ => Line::No,
        }
    }

    fn take(&mut self, line: &[u8]) -> bool {
        let words = String::from_utf8_lossy(&line[1..]).into_owned();
        let mut words = words.split(' ');
        let (Some(nonce), Some(outcome)) = (words.next(), words.next()) else { return false };
        let code = words.next().and_then(|code| code.parse().ok()).unwrap_or_default();
        if nonce == self.nonce {
            self.outer = reply(outcome, code);
            self.outer.is_some()
        } else if self.inner_nonce.as_deref() == Some(nonce) {
            // The pod's root may write in this guard's name. Its word counts for the end of its command, and for nothing
            // else: the fence is the host's guard's alone.
            self.inner = reply(outcome, code).filter(|reply| reply.is_of_a_command());
            self.inner.is_some()
        } else {
            // The guard inside the container prints its banner before the command's output; a later one is output.
            self.expected.retain(|start| start != BANNER);
            true
        }
    }

    /// What the guard has reported, if anything. In a container the inner guard knows how the command ended, while the
    /// outer one sees only `docker exec`. Where the inner one reported nothing, it was ended before it had its order, or
    /// `docker exec` itself failed: but for a few exit codes that is Docker's fault or the container's, not the command's.
    pub(crate) fn reply(&self) -> Option<GuardReply> {
        match (self.outer?, self.inner) {
            // No one who may end it has asked for this.
            (GuardReply::Exited(_), Some(GuardReply::Ended(_))) => Some(GuardReply::CutOff),
            (GuardReply::Exited(_) | GuardReply::Ended(_), Some(inner)) => Some(inner),
            (GuardReply::Exited(code), None) if self.inner_nonce.is_some() && !CONTAINER_EXIT_CODES.contains(&code) => {
                Some(GuardReply::CutOff)
            }
            (outer, _) => Some(outer),
        }
    }

    /// What is left when the stream ends.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn reply(outcome: &str, code: i32) -> Option<GuardReply> {
    Some(match outcome {
        "exited" => GuardReply::Exited(code),
        "timed-out" => GuardReply::TimedOut(code),
        "ended" => GuardReply::Ended(code),
        "fenced" => GuardReply::Fenced,
        "expired" => GuardReply::Expired,
        "busy" => GuardReply::Busy,
        "unfenced" => GuardReply::Unfenced,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_uptime_without_end_is_no_moment_of_the_past() {
        let (sender, events) = mpsc::channel(2);
        let banner = Bytes::from(format!("\x1epinacle-guard {}\n", u64::MAX));
        sender.send(Event::Stdout(banner.clone())).await.expect("room");
        sender.send(Event::Stderr(banner)).await.expect("room");
        let pipe = Pipe { input: Box::new(tokio::io::sink()), events };
        let guard = Guard::handshake(pipe, CancellationToken::new()).await.expect("a handshake");
        assert_eq!(guard.uptime_at(Instant::now() + MAX_WAIT), u64::MAX);
    }
}
