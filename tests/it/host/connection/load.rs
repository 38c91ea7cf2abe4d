//! Many commands, and much output.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pinacle_worker::remote::{Command, Host, Outcome, Output};
use tokio_util::sync::CancellationToken;

use crate::host::exec::{exec, over_both, script, start, timed};

over_both!(many_in_a_row_all_succeed, many_at_once_all_succeed, much_output_is_complete, binary_output_is_complete);

async fn many_in_a_row_all_succeed(host: Arc<Host>) {
    let (took, ()) = timed(async {
        for n in 0..200 {
            let ran = exec(&host, &Command::new("echo").arg(n.to_string())).await;
            assert_eq!((ran.outcome, ran.stdout), (Outcome::Exited(0), format!("{n}\n")));
        }
    })
    .await;
    eprintln!("{}: 200 commands in a row took {took:?}", host.name);
}

async fn many_at_once_all_succeed(host: Arc<Host>) {
    // More than sshd's MaxSessions on one connection, and more than all connections together hold.
    for at_once in [40, 100] {
        let (took, ()) = timed(async {
            let commands: Vec<_> =
                (0..at_once).map(|n| start(&host, &script("sleep 0.3; echo $1", [&n.to_string()]), None)).collect();
            for (n, running) in commands.into_iter().enumerate() {
                let screen = running.screen.clone();
                assert_eq!(running.end().await.unwrap(), Outcome::Exited(0));
                assert_eq!(screen.stdout(), format!("{n}\n"));
            }
        })
        .await;
        eprintln!("{}: {at_once} commands at once, of 0.3 s each, took {took:?}", host.name);
    }
    let shells = exec(&host, &script("ps -e -o args= | grep -c '[p]inacle-guard' || true", [])).await;
    eprintln!("{}: {} shells wait on this machine", host.name, shells.stdout.trim());
}

/// Counts, and keeps nothing.
#[derive(Default)]
struct Counted {
    bytes: [u64; 2],
    largest: usize,
}

#[async_trait]
impl Output for Counted {
    async fn stdout(&mut self, bytes: &[u8]) {
        self.bytes[0] += bytes.len() as u64;
        self.largest = self.largest.max(bytes.len());
    }

    async fn stderr(&mut self, bytes: &[u8]) {
        self.bytes[1] += bytes.len() as u64;
        self.largest = self.largest.max(bytes.len());
    }
}

async fn count(host: &Arc<Host>, command: &Command) -> Counted {
    let mut counted = Counted::default();
    let (took, outcome) = timed(host.connection.exec(command, None, &mut counted, &CancellationToken::new())).await;
    assert_eq!(outcome.unwrap(), Outcome::Exited(0));
    eprintln!("{}: {:?} bytes took {took:?}", host.name, counted.bytes);
    counted
}

/// Of this process, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn much_output_is_complete(host: Arc<Host>) {
    let before = resident_kib();
    let flood = script("yes 0123456789abcde | head -c 50000000 & yes fedcba | head -c 30000000 >&2; wait", []);
    let counted = count(&host, &flood.timeout(Duration::from_mins(2))).await;
    assert_eq!(counted.bytes, [50_000_000, 30_000_000]);
    assert!(counted.largest < 1024 * 1024, "a chunk of {} bytes", counted.largest);
    let grown = resident_kib().saturating_sub(before);
    // Other tests run in this process, too; 80 MB kept would show all the same.
    assert!(grown < 48 * 1024, "the process grew by {grown} KiB");
}

async fn binary_output_is_complete(host: Arc<Host>) {
    // The first byte of the guard's own lines, without end, and its greeting with no end of line.
    for part in ["\\036", "\\036pinacle-guard ", "\\036a\\n"] {
        let flood = script("yes \"$(printf \"$1\")\" | tr -d '\\n' | head -c 8000000", [part]);
        let counted = count(&host, &flood.timeout(Duration::from_mins(2))).await;
        assert_eq!(counted.bytes, [8_000_000, 0], "{part}");
    }
    let random = script("head -c 20000000 /dev/urandom", []).timeout(Duration::from_mins(2));
    assert_eq!(count(&host, &random).await.bytes, [20_000_000, 0]);
}
