//! The guard inside a pod: runs one command there for the worker, under a time limit, and ends it with all that it
//! started when the worker asks for it.
//!
//! It does what `src/remote/guard.sh` does on a pod host, without the fence, in one process instead of some twenty: in
//! gVisor each costs 10 to 20 ms. It is built with the base image and needs only the standard library.
//!
//! ```text
//! in    NONCE ORDER_BYTES INPUT_BYTES     one line
//!       ORDER_BYTES bytes: LIMIT in seconds, ARGV..., NONCE, with a NUL between each two
//!       INPUT_BYTES bytes: the command's stdin
//!       end of file: end the command
//! out   \036pinacle-guard 0               on stdout and on stderr
//!       the command's output
//!       \036NONCE <outcome> <exit code>   on stdout and on stderr; the outcome is exited, timed-out or ended
//! ```

use std::{
    fs,
    io::{self, BufRead, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// The time from SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// The time that a killed process may take to be gone.
const KILL_GRACE: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A shell's exit codes for a program that can't be run, and for one that does not exist.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;
/// A shell adds the number of the signal that ended a program to this.
const SIGNAL_BASE: i32 = 128;

/// What the worker asks for.
struct Order {
    nonce: String,
    limit: Duration,
    argv: Vec<String>,
    input: Vec<u8>,
}

enum Event {
    Exited(ExitStatus),
    /// The worker has closed our stdin.
    HungUp,
}

fn main() -> ExitCode {
    say("\x1epinacle-guard 0\n");
    // If the connection breaks in the middle of an order, nothing of it is run.
    let Some(order) = read_order(&mut io::stdin().lock()) else { return ExitCode::SUCCESS };
    let (outcome, code) = match spawn(&order) {
        Ok(child) => run(child, order.limit),
        Err(error) => {
            drop(writeln!(io::stderr(), "{}: {error}", order.argv[0]));
            ("exited", if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
        }
    };
    say(&format!("\x1e{} {outcome} {code}\n", order.nonce));
    // The thread that still waits for stdin ends with the process.
    ExitCode::SUCCESS
}

/// Prints a line on both streams. The worker may be gone, which changes nothing here.
fn say(line: &str) {
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    drop(stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()));
    drop(stderr.write_all(line.as_bytes()));
}

/// Returns `None` if the order is incomplete.
fn read_order(from: &mut impl BufRead) -> Option<Order> {
    let mut head = String::new();
    from.read_line(&mut head).ok()?;
    let mut fields = head.trim_end().split(' ');
    let (nonce, order_bytes, input_bytes) = (fields.next()?, fields.next()?, fields.next()?);
    let words = String::from_utf8(read_bytes(from, order_bytes)?).ok()?;
    let mut words: Vec<String> = words.split('\0').map(str::to_owned).collect();
    if words.len() < 3 || words.pop()? != nonce {
        return None;
    }
    let limit = Duration::from_secs(words.remove(0).parse().ok()?);
    Some(Order { nonce: nonce.to_owned(), limit, argv: words, input: read_bytes(from, input_bytes)? })
}

/// Reads as many bytes as a field of the head says. Memory grows only with what is sent.
fn read_bytes(from: &mut impl Read, count: &str) -> Option<Vec<u8>> {
    let (count, mut bytes) = (count.parse().ok()?, Vec::new());
    let read = from.take(count).read_to_end(&mut bytes).ok()?;
    (u64::try_from(read) == Ok(count)).then_some(bytes)
}

/// Starts the command in a process group of its own, so that all it starts can be ended together.
fn spawn(order: &Order) -> io::Result<Child> {
    let stdin = if order.input.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child = Command::new(&order.argv[0]).args(&order.argv[1..]).stdin(stdin).process_group(0).spawn()?;
    if let Some(mut to) = child.stdin.take() {
        let input = order.input.clone();
        // A command need not read its stdin.
        thread::spawn(move || drop(to.write_all(&input)));
    }
    Ok(child)
}

/// Waits for the command, and returns how it ended.
fn run(mut child: Child, limit: Duration) -> (&'static str, i32) {
    let group = child.id();
    let (exited, events) = channel();
    let hung_up = exited.clone();
    thread::spawn(move || {
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
        hung_up.send(Event::HungUp)
    });
    thread::spawn(move || child.wait().map(|status| exited.send(Event::Exited(status))));
    let outcome = match events.recv_timeout(limit) {
        Ok(Event::Exited(status)) => return ("exited", code(status)),
        Ok(Event::HungUp) => "ended",
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => "timed-out",
    };
    end(group);
    let status = events.iter().find_map(|event| match event {
        Event::Exited(status) => Some(status),
        Event::HungUp => None,
    });
    (outcome, status.map_or(NOT_EXECUTABLE, code))
}

/// Ends a process group: sends SIGTERM, waits, and kills what is left.
fn end(group: u32) {
    for (signal, grace) in [("TERM", GRACE), ("KILL", KILL_GRACE)] {
        let kill = ["-c", "kill -s \"$1\" -- \"-$2\"", "sh", signal, &group.to_string()];
        drop(Command::new("/bin/sh").args(kill).stdin(Stdio::null()).stderr(Stdio::null()).status());
        let deadline = Instant::now() + grace;
        while lives(group) && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Whether a process of the group lives.
fn lives(group: u32) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    processes.flatten().any(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // The name in parentheses may hold anything; the state, the parent and the group follow it.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        let (state, of) = (fields.next(), fields.nth(1));
        state != Some("Z") && of == Some(&group.to_string())
    })
}

/// An exit code as a shell gives it.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| SIGNAL_BASE + signal)).unwrap_or(NOT_EXECUTABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_order_is_read_and_one_that_is_cut_off_is_not() {
        let (words, input) = ("7\0echo\0two  words\n\0\0nonce", "the input");
        let sent = format!("nonce {} {}\n{words}{input}", words.len(), input.len());
        let order = read_order(&mut sent.as_bytes()).expect("a whole order");
        assert_eq!((order.nonce.as_str(), order.limit), ("nonce", Duration::from_secs(7)));
        assert_eq!(
            (order.argv, order.input),
            (vec!["echo".into(), "two  words\n".into(), String::new()], input.into())
        );
        for end in 0..sent.len() {
            assert!(read_order(&mut &sent.as_bytes()[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn an_invalid_order_is_not_run() {
        for sent in [
            "",
            "\n",
            "nonce x 0\n",
            "nonce 5 0\nnonce",
            "nonce 7 0\n7\0nonce",
            "nonce 9 0\nx\0a\0nonce",
            "n 6 0\n7\0a\0nn",
        ] {
            assert!(read_order(&mut sent.as_bytes()).is_none(), "{sent:?}");
        }
    }

    #[test]
    fn a_group_lives_until_it_was_ended() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().expect("sleep");
        assert!(lives(child.id()));
        end(child.id());
        assert!(!lives(child.id()));
        assert_eq!(child.wait().map(code).ok(), Some(SIGNAL_BASE + 15));
    }
}
