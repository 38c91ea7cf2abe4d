//! Runs the commands of one execution and records each: a row before, the output meanwhile, the exit code and the
//! duration after, all within the fence and without secrets.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    capture::{Capture, LIMIT, SPARE_LIMIT},
    redact::{RedactStream, Redactor},
};
use crate::{
    model::{Fence, LeaseClock, Update},
    remote::{Command, ConnectionError, Host, Outcome, Output, command::NulByte, guard::FencedBy},
    store::{StoreError, logs, steps::Progress},
};

/// The pause between two writes of output, at first. It grows with what is written already, so that the database
/// rewrites a bounded amount a second however long the log gets.
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);
const BYTES_PER_FLUSH_INTERVAL: usize = 64 * 1024;
/// How long the first output after a pause is held back: most commands that print have ended by then, and need no write
/// but the last.
const FIRST_OUTPUT_DELAY: Duration = Duration::from_millis(50);
/// How often the write of a command's end is retried; after that the lease is lost anyway.
const FINISH_RETRIES: usize = 6;
/// How much of a failed command's output its error quotes.
const QUOTED_BYTES: usize = 400;

/// A command that ran.
pub struct Finished {
    pub outcome: Outcome,
    /// The beginning of its standard output as it was printed, up to what is kept of one stream, for decisions:
    /// redaction could change an id or a state that happens to contain a secret. It is never stored.
    pub stdout: String,
    /// The end of standard error as it was recorded, or of standard output where that is empty, for an error.
    tail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The command ran and failed.
    #[error("`{command}` {outcome}{}", quoted(.tail))]
    Failed { command: String, outcome: Outcome, tail: String },
    /// Whether the command ran in its container is unknown.
    #[error("`{command}` {}{}", Outcome::CutOff, quoted(.tail))]
    CutOff { command: String, tail: String },
    /// The command ran, and its output is not what it should be.
    #[error("`{command}` printed what the worker cannot read: {printed}")]
    Unreadable { command: String, printed: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the job was cancelled, or the worker is stopping")]
    Cancelled,
}

impl From<NulByte> for HostError {
    fn from(error: NulByte) -> Self {
        ConnectionError::from(error).into()
    }
}

fn quoted(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!(": {tail}") }
}

/// How much of what the commands of a job print is stored.
#[derive(Debug)]
pub struct LogBudget {
    megabytes: u32,
    /// Bytes that are left of it.
    left: AtomicUsize,
}

impl LogBudget {
    /// A budget of `megabytes` MiB.
    pub fn new(megabytes: u32) -> Self {
        let bytes = usize::try_from(megabytes).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
        Self { megabytes, left: AtomicUsize::new(bytes) }
    }

    /// Takes away what was stored, in bytes.
    pub fn spend(&self, bytes: usize) {
        let spent = self.left.load(Ordering::SeqCst).saturating_sub(bytes);
        self.left.store(spent, Ordering::SeqCst);
    }

    /// What may be stored of each stream of the next command, in bytes.
    fn of_a_stream(&self) -> usize {
        (self.left.load(Ordering::SeqCst) / 2).clamp(SPARE_LIMIT, LIMIT)
    }

    fn note(&self) -> String {
        format!(
            "this job has printed more than is kept (LOG_BUDGET_MB = {}): only the beginning and the end of each further \
             command are kept",
            self.megabytes
        )
    }
}

/// The commands of one execution, on one host.
#[derive(Clone)]
pub struct Recorder {
    pub db: PgPool,
    pub host: Arc<Host>,
    pub fence: Fence,
    pub lease: LeaseClock,
    pub redactor: Redactor,
    /// The changes of steps to record before a command has an effect.
    pub progress: Arc<Progress>,
    pub budget: Arc<LogBudget>,
    /// Ends the command that runs and starts no other.
    pub cancel: CancellationToken,
}

impl Recorder {
    /// Runs a command that has to succeed.
    ///
    /// # Errors
    /// The command could not be run, or did not exit with 0.
    pub async fn run(&self, command: &Command) -> Result<Finished, HostError> {
        let finished = self.run_unchecked(command).await?;
        if finished.outcome.success() {
            return Ok(finished);
        }
        Err(HostError::Failed { command: self.shown(command), outcome: finished.outcome, tail: finished.tail })
    }

    /// The error for a command whose output is not what it should be.
    pub fn unreadable(&self, command: &Command, printed: &str) -> HostError {
        let printed = self.redactor.text(printed).chars().take(QUOTED_BYTES).collect();
        HostError::Unreadable { command: self.shown(command), printed }
    }

    /// A command as an error shows it.
    fn shown(&self, command: &Command) -> String {
        let hide = |text: &str| self.redactor.text(text);
        command.shown_in_container(hide).unwrap_or_else(|| command.shown(hide))
    }

    /// Runs a command whose exit code is information, not an error.
    ///
    /// # Errors
    /// The command could not be run, or how it ended is unknown.
    pub async fn run_unchecked(&self, command: &Command) -> Result<Finished, HostError> {
        self.may_go_on()?;
        command.check()?;
        let hide = |text: &str| self.redactor.text(text);
        let (shown, shown_inside) = (command.shown(hide), command.shown_in_container(hide));
        let log = logs::NewLog { command: &shown, container_command: shown_inside.as_deref(), label: command.label };
        let id = self.progress.write_with_log(&self.db, &self.fence, &log).await?;
        let began = Instant::now();
        let limit = self.budget.of_a_stream();
        let streams = Streams::new(&self.redactor, command.is_confidential(), limit);
        let result = self.exec(command, &id, &streams).instrument(tracing::info_span!("command", log.id = %id)).await;
        let duration_ms = i32::try_from(began.elapsed().as_millis()).unwrap_or(i32::MAX);

        streams.finish();
        let tail = streams.tail();
        let (exit_code, note) = match &result {
            Ok(outcome @ (Outcome::Exited(_) | Outcome::Signalled(_))) => (outcome.exit_code(), None),
            Ok(outcome) => (outcome.exit_code(), Some(format!("the command {outcome}"))),
            Err(error) => (Outcome::Lost.exit_code(), Some(format!("the command was not run: {error}"))),
        };
        if let Some(note) = note {
            streams.note(&hide(&note));
        }
        if limit < LIMIT && streams.are_cut() {
            streams.note(&self.budget.note());
        }
        self.budget.spend(streams.kept());
        let write = || async {
            streams.flush(&self.db, &self.fence, &id).await?;
            logs::finish(&self.db, &self.fence, &id, exit_code, duration_ms).await
        };
        write
            .retry(ExponentialBuilder::default().with_max_times(FINISH_RETRIES))
            .when(|error| matches!(error, StoreError::Database(_)) && self.lease.is_valid())
            .await?;

        match result? {
            Outcome::Ended => Err(HostError::Cancelled),
            Outcome::Lost => Err(ConnectionError::Lost.into()),
            Outcome::CutOff => Err(HostError::CutOff { command: self.shown(command), tail }),
            outcome => Ok(Finished { outcome, stdout: streams.stdout(), tail }),
        }
    }

    fn may_go_on(&self) -> Result<(), HostError> {
        if self.cancel.is_cancelled() {
            Err(HostError::Cancelled)
        } else if !self.lease.is_valid() {
            Err(ConnectionError::Expired.into())
        } else {
            Ok(())
        }
    }

    async fn exec(&self, command: &Command, log_id: &str, streams: &Streams) -> Result<Outcome, ConnectionError> {
        let fenced_by =
            FencedBy { pod_id: self.fence.pod_id.clone(), lease: self.fence.lease, clock: self.lease.clone() };
        let (cancel, ended) = (self.cancel.child_token(), CancellationToken::new());
        let mut output = streams;
        let exec = async {
            let outcome = self.host.connection.exec(command, Some(&fenced_by), &mut output, &cancel).await;
            ended.cancel();
            outcome
        };
        let write_while_it_runs = async {
            let mut not_before = Instant::now();
            loop {
                let due = async {
                    streams.printed.notified().await;
                    tokio::time::sleep_until(not_before.max(Instant::now() + FIRST_OUTPUT_DELAY).into()).await;
                };
                tokio::select! {
                    () = due => {}
                    () = ended.cancelled() => return,
                }
                match streams.flush(&self.db, &self.fence, log_id).await {
                    Err(StoreError::Fenced { .. }) => return cancel.cancel(),
                    Err(StoreError::Database(error)) => {
                        tracing::debug!(%error, "The output waits for the database.");
                        streams.printed.notify_one();
                    }
                    Ok(()) => {}
                }
                not_before = Instant::now() + streams.pause();
            }
        };
        // A write that has begun is not dropped when the command ends: what the row holds would be unknown then.
        tokio::join!(exec, write_while_it_runs).0
    }
}

/// Both streams of a command on their way into its row.
struct Streams {
    both: Mutex<[Stream; 2]>,
    /// There is output that the row may not show yet.
    printed: Notify,
}

struct Stream {
    /// The beginning of the stream as it came, if the caller decides by it.
    unredacted: Option<Vec<u8>>,
    /// `None` after the end of the stream.
    redact: Option<RedactStream>,
    capture: Capture,
    /// Whether the row shows it.
    recorded: bool,
    /// Bytes that the row holds.
    stored: usize,
    /// A write failed, or was dropped, so what the row holds is unknown.
    unknown: bool,
}

impl Stream {
    fn push(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.unredacted {
            kept.extend_from_slice(&bytes[..bytes.len().min(LIMIT - kept.len())]);
        }
        if let Some(redact) = &mut self.redact {
            self.capture.push(&redact.push(bytes));
        }
    }

    fn finish(&mut self) {
        if let Some(redact) = self.redact.take() {
            self.capture.push(&redact.finish());
        }
        self.capture.finish();
    }

    fn unsent(&mut self) -> Option<Update> {
        if !self.recorded {
            return None;
        }
        let new = self.capture.unsent();
        let update = if self.unknown { Some(Update::Replace(self.capture.text())) } else { new };
        match &update {
            Some(Update::Append(text)) => self.stored += text.len(),
            Some(Update::Replace(text)) => self.stored = text.len(),
            None => {}
        }
        update
    }
}

impl Streams {
    /// At most `limit` bytes are kept of each.
    fn new(redactor: &Redactor, confidential: bool, limit: usize) -> Self {
        let stream = |recorded: bool, decides: bool| Stream {
            unredacted: decides.then(Vec::new),
            redact: Some(redactor.stream()),
            capture: Capture::new(limit),
            recorded,
            stored: 0,
            unknown: false,
        };
        Self { both: Mutex::new([stream(!confidential, true), stream(true, false)]), printed: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut [Stream; 2]) -> T) -> T {
        act(&mut self.both.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn finish(&self) {
        self.with(|streams| streams.iter_mut().for_each(Stream::finish));
    }

    fn note(&self, note: &str) {
        self.with(|[_, stderr]| stderr.capture.push(format!("\n[{note}]\n").as_bytes()));
    }

    fn are_cut(&self) -> bool {
        self.with(|streams| streams.iter().any(|stream| stream.recorded && stream.capture.is_cut()))
    }

    /// Bytes that the row will hold.
    fn kept(&self) -> usize {
        self.with(|streams| streams.iter().filter(|stream| stream.recorded).map(|stream| stream.capture.kept()).sum())
    }

    fn stdout(&self) -> String {
        self.with(|[stdout, _]| String::from_utf8_lossy(&stdout.unredacted.take().unwrap_or_default()).into_owned())
    }

    fn tail(&self) -> String {
        self.with(|[stdout, stderr]| {
            let tail = |stream: &Stream| stream.capture.tail(QUOTED_BYTES).trim().to_owned();
            Some(tail(stderr)).filter(|tail| !tail.is_empty()).unwrap_or_else(|| tail(stdout))
        })
    }

    fn pause(&self) -> Duration {
        let stored = self.with(|[stdout, stderr]| stdout.stored + stderr.stored);
        FLUSH_INTERVAL * u32::try_from(1 + stored / BYTES_PER_FLUSH_INTERVAL).unwrap_or(u32::MAX)
    }

    async fn flush(&self, db: &PgPool, fence: &Fence, log_id: &str) -> Result<(), StoreError> {
        let (stdout, stderr) = self.with(|[stdout, stderr]| (stdout.unsent(), stderr.unsent()));
        if stdout.is_none() && stderr.is_none() {
            return Ok(());
        }
        let known = |known: bool| self.with(|streams| streams.iter_mut().for_each(|stream| stream.unknown = !known));
        known(false);
        logs::write(db, fence, log_id, stdout.as_ref(), stderr.as_ref()).await?;
        known(true);
        Ok(())
    }
}

#[async_trait]
impl Output for &Streams {
    async fn stdout(&mut self, bytes: &[u8]) {
        self.with(|[stdout, _]| stdout.push(bytes));
        self.printed.notify_one();
    }

    async fn stderr(&mut self, bytes: &[u8]) {
        self.with(|[_, stderr]| stderr.push(bytes));
        self.printed.notify_one();
    }
}
