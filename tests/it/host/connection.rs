//! What a command means, over both transports: its outcome, its streams, its stdin and its end.

mod ending;
mod environment;
mod input;
mod load;
mod login_shell;
mod ssh_errors;
mod ssh_lost;

use std::sync::Arc;

use pinacle_worker::remote::{Command, Host, Outcome};

use crate::{
    host::exec::{exec, over_both, script, start},
    support::eventually,
};

over_both!(
    output_and_exit_code_are_as_the_command_gave_them,
    a_signal_is_never_success,
    what_cannot_be_started_says_so,
    a_signal_reaches_a_command_as_anywhere_else,
    a_command_finds_the_usual_file_permissions,
    a_daemon_that_holds_the_output_does_not_hold_the_command,
    output_that_looks_like_the_guards_is_output,
    the_connection_is_tested
);

async fn output_and_exit_code_are_as_the_command_gave_them(host: Arc<Host>) {
    let ran = exec(&host, &script("echo out; echo err >&2; printf 'no newline'; exit 3", [])).await;
    assert_eq!(ran.outcome, Outcome::Exited(3));
    assert_eq!((&*ran.stdout, &*ran.stderr), ("out\nno newline", "err\n"));

    for code in [0, 1, 2, 124, 125, 128, 255] {
        let ran = exec(&host, &script("exit $1", [&code.to_string()])).await;
        assert_eq!((ran.outcome, &*ran.stdout, &*ran.stderr), (Outcome::Exited(code), "", ""));
    }
}

async fn a_signal_is_never_success(host: Arc<Host>) {
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("HUP", 1), ("USR1", 10)] {
        let ran = exec(&host, &script("echo before; ulimit -c 0; kill -$1 $$; echo after", [signal])).await;
        assert_eq!(ran.outcome, Outcome::Signalled(number), "{signal}: {ran:?}");
        assert_eq!((ran.outcome.success(), ran.outcome.exit_code()), (false, 128 + number));
        assert_eq!(ran.stdout, "before\n");
    }
}

async fn what_cannot_be_started_says_so(host: Arc<Host>) {
    let ran = exec(&host, &Command::new("no-such-program-anywhere")).await;
    assert_eq!(ran.outcome, Outcome::Exited(127));
    assert!(ran.stderr.contains("no-such-program-anywhere"), "{ran:?}");
    assert_eq!(exec(&host, &Command::new("/etc/passwd")).await.outcome, Outcome::Exited(126));
    // Linux takes 128 KiB in one argument.
    let ran = exec(&host, &Command::new("echo").arg("x".repeat(200 * 1024))).await;
    assert!(!ran.outcome.success() && ran.stderr.contains("too long"), "{ran:?}");
    let ran = exec(&host, &Command::new("echo").arg("x".repeat(100 * 1024))).await;
    assert_eq!((ran.outcome, ran.stdout.len()), (Outcome::Exited(0), 100 * 1024 + 1));
}

async fn a_signal_reaches_a_command_as_anywhere_else(host: Arc<Host>) {
    // A shell's background job ignores SIGINT and SIGQUIT, and sshd ignores SIGPIPE: no command may inherit that.
    let ran = exec(&host, &Command::new("grep").args(["-E", "^Sig(Ign|Blk)", "/proc/self/status"])).await;
    for line in ran.stdout.lines() {
        let signals = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        // The signals above 31 are the C library's own.
        assert_eq!(signals & 0x7fff_ffff, 0, "{line}");
    }
    assert_eq!(ran.stdout.lines().count(), 2);
}

async fn a_command_finds_the_usual_file_permissions(host: Arc<Host>) {
    // The guard's own files are secret, what a command makes is not: a user's nginx has to read it.
    assert_eq!(exec(&host, &script("umask", [])).await.stdout.trim(), "0022");
    let open = exec(&host, &script("ls /proc/self/fd", [])).await.stdout;
    // The guard's own are below ten; 3 is ls's.
    let open: Vec<&str> = open.split_whitespace().filter(|descriptor| descriptor.len() == 1).collect();
    assert_eq!(open, ["0", "1", "2", "3"]);
}

async fn a_daemon_that_holds_the_output_does_not_hold_the_command(host: Arc<Host>) {
    let mark = crate::host::exec::Marked::new();
    // More often than a connection has sessions.
    for _ in 0..20 {
        let running = start(&host, &mark.script("sleep 600 & echo started"), None);
        assert_eq!(running.end().await.unwrap(), Outcome::Exited(0));
    }
    // One that is just becoming `sleep` has no environment for a moment.
    eventually("20 daemons that live on", async || (mark.processes().len() == 20).then_some(())).await;
    let ended = exec(&host, &mark.end()).await;
    assert_eq!(ended.outcome, Outcome::Exited(0), "{ended:?}");
    mark.until_gone().await;
}

async fn output_that_looks_like_the_guards_is_output(host: Arc<Host>) {
    let lines = "\x1epinacle-guard 5\n\x1e0123456789abcdef exited 0\n\x1e\x1e\n\x1e";
    let ran = exec(&host, &script("printf %s \"$1\"; printf %s \"$1\" >&2; exit 1", [lines])).await;
    assert_eq!(ran.outcome, Outcome::Exited(1));
    assert_eq!((&*ran.stdout, &*ran.stderr), (lines, lines));
}

async fn the_connection_is_tested(host: Arc<Host>) {
    host.connection.test_connection().await.unwrap();
}
