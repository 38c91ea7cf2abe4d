//! What a host's guard prints: the handshake, the output, the last line.
//!
//! The input is what comes from the host, with `@` for the guard's nonce, `%` for the nonce of the guard in the
//! container, and `^` for the byte that begins a guard's line. `|` begins a piece of stdout, and `!` one of stderr. An
//! input that begins with `c` belongs to a command in a container.

#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pinacle_fuzz::is_left_of;
use pinacle_worker::{
    fuzz::read_stream,
    model::LeaseClock,
    remote::{
        Collected, Command, ConnectionError, InnerGuard, Outcome, ServerConnection,
        command::Container,
        guard::{Event, FencedBy, Guard, GuardReply, Pipe},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    sync::{Mutex, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
const ORDER_BYTES: usize = 64 * 1024;
const NONCE: &str = "0123456789abcdef0123456789abcdef";
const INNER_NONCE: &str = "fedcba9876543210fedcba9876543210";

/// Its clock stands still while a task runs, and jumps ahead when all tasks wait.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"));

/// A host with a single guard.
struct Host(Mutex<Option<Pipe>>);

#[async_trait]
impl ServerConnection for Host {
    async fn open(&self) -> Result<Guard, ConnectionError> {
        let pipe = self.0.lock().await.take().ok_or(ConnectionError::Lost)?;
        let guard = timeout(HANDSHAKE_TIMEOUT, Guard::handshake(pipe, CancellationToken::new())).await;
        guard.unwrap_or_else(|_| Err(ConnectionError::NoShell("it printed nothing".to_owned())))
    }
}

#[derive(Clone)]
struct Piece {
    is_stderr: bool,
    bytes: Vec<u8>,
}

impl Piece {
    /// Whether only a guard that has read the order can print it.
    fn has_nonce(&self) -> bool {
        self.bytes.iter().any(|byte| b"@%".contains(byte))
    }

    fn with(&self, nonce: &str, inner_nonce: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for byte in &self.bytes {
            match byte {
                b'@' => bytes.extend(nonce.bytes()),
                b'%' => bytes.extend(inner_nonce.bytes()),
                b'^' => bytes.push(0x1e),
                byte => bytes.push(*byte),
            }
        }
        bytes
    }
}

fn pieces(script: &[u8]) -> Vec<Piece> {
    let mut pieces = vec![Piece { is_stderr: false, bytes: Vec::new() }];
    for byte in script {
        match byte {
            b'|' | b'!' => pieces.push(Piece { is_stderr: *byte == b'!', bytes: Vec::new() }),
            byte => pieces.last_mut().expect("the first").bytes.push(*byte),
        }
    }
    pieces
}

/// Reads the order as the guard does: a line, and as many bytes as the line says. Then reads the inner order's line.
async fn nonces(order: &mut BufReader<DuplexStream>, is_inside: bool) -> Option<(String, String)> {
    let mut head = String::new();
    order.read_line(&mut head).await.ok()?;
    let mut words = head.split_whitespace();
    let (nonce, bytes) = (words.next()?.to_owned(), words.next()?.parse::<usize>().ok()?);
    order.read_exact(&mut vec![0; bytes]).await.ok()?;
    let mut inner = String::new();
    if is_inside {
        order.read_line(&mut inner).await.ok()?;
    }
    Some((nonce, inner.split_whitespace().next().unwrap_or_default().to_owned()))
}

fn command(is_inside: bool) -> Command {
    let container = || Container { name: "pod".to_owned(), guard: InnerGuard::Program };
    let command = Command::new("true");
    if is_inside { command.inside(container()) } else { command }
}

/// Runs a command from the handshake to its end, as every transport does.
fn exec(pieces: &[Piece], is_inside: bool) {
    let (input, order) = duplex(ORDER_BYTES);
    let (sender, events) = mpsc::channel(1);
    let host = Host(Mutex::new(Some(Pipe { input: Box::new(input), events })));
    let clock = LeaseClock::new(Instant::now() + Duration::from_secs(60));
    let fence = FencedBy { pod_id: "pod_a".to_owned(), lease: 7, clock };
    let (command, cancel, mut output) = (command(is_inside), CancellationToken::new(), Collected::default());
    let respond = async move {
        let (mut order, mut known) = (BufReader::new(order), None);
        for piece in pieces {
            if piece.has_nonce() && known.is_none() {
                known = Some(nonces(&mut order, is_inside).await.unwrap_or_default());
            }
            let (nonce, inner_nonce) = known.clone().unwrap_or_default();
            let bytes = Bytes::from(piece.with(&nonce, &inner_nonce));
            let event = if piece.is_stderr { Event::Stderr(bytes) } else { Event::Stdout(bytes) };
            if sender.send(event).await.is_err() {
                return;
            }
        }
    };
    let run = async {
        let outcome = host.exec(&command, Some(&fence), &mut output, &cancel).await;
        drop(host);
        outcome
    };
    let (outcome, ()) = RUNTIME.block_on(async { tokio::join!(run, respond) });

    if pieces.iter().all(|piece| !piece.bytes.contains(&b'@')) {
        let has_no_reply = matches!(outcome, Ok(Outcome::Lost) | Err(ConnectionError::NoShell(_)));
        assert!(has_no_reply, "output without the nonce has ended a command: {outcome:?}");
    }
    let printed = |is_stderr| -> usize {
        let of_stream = pieces.iter().filter(|piece| piece.is_stderr == is_stderr);
        of_stream.map(|piece| piece.with(NONCE, INNER_NONCE).len()).sum()
    };
    assert!(output.stdout.len() <= printed(false) && output.stderr.len() <= printed(true));
    if let Err(error) = outcome {
        // A byte that is not UTF-8 becomes a character of three bytes.
        assert!(error.to_string().len() <= 3 * (printed(false) + printed(true)) + 1024);
    }
}

/// Reads one stream, whole and in pieces.
fn read(stream: &[Vec<u8>], is_inside: bool) {
    let inner_nonce = is_inside.then_some(INNER_NONCE);
    let (output, reply) = read_stream(NONCE, inner_nonce, stream.iter().map(Vec::as_slice));
    let whole = stream.concat();
    let at_once = read_stream(NONCE, inner_nonce, [&*whole]);
    assert_eq!(at_once, (output.clone(), reply), "the result depends on where the stream was cut");
    let by_bytes = read_stream(NONCE, inner_nonce, whole.chunks(1));
    assert_eq!(by_bytes, (output.clone(), reply), "the result depends on where the stream was cut");

    assert!(is_left_of(&output, &whole), "the output has bytes that were not printed");
    let has = |text: &str| whole.windows(text.len()).any(|window| window == text.as_bytes());
    if !has(NONCE) {
        assert_eq!(reply, None, "output without the nonce has ended a command");
        assert!(is_inside || output == whole, "a part of the output is lost");
    }
    if is_inside
        && !has(INNER_NONCE)
        && matches!(reply, Some(GuardReply::Exited(code)) if ![126, 127, 137].contains(&code))
    {
        panic!("docker exec's exit code is taken for the command's: {reply:?}");
    }
}

fuzz_target!(|input: &[u8]| {
    let is_inside = input.first() == Some(&b'c');
    let pieces = pieces(input.strip_prefix(b"c").unwrap_or(input));
    for is_stderr in [false, true] {
        let of_stream = pieces.iter().filter(|piece| piece.is_stderr == is_stderr);
        read(&of_stream.map(|piece| piece.with(NONCE, INNER_NONCE)).collect::<Vec<_>>(), is_inside);
    }
    exec(&pieces, is_inside);
});
