//! The guard script without the worker: what it does with an order that is broken, late, or meets a host in trouble.

use std::{
    io::{Read, Write},
    process::{Child, Stdio},
};

use pinacle_worker::remote::guard::SCRIPT;

use super::{FencedPod, children};
use crate::{
    host::exec::in_time,
    support::{eventually, host::sh},
};

const NONCE: &str = "0123456789abcdef0123456789abcdef";
const FAR: u64 = 1 << 40;

/// The bytes of an order without stdin.
fn order(fence: &str, lease: i64, expires: u64, argv: &[&str]) -> Vec<u8> {
    let (lease, expires) = (lease.to_string(), expires.to_string());
    let words = [fence, &lease, &expires, "60", "keep"].into_iter().chain(argv.iter().copied()).chain([NONCE]);
    let words = shlex::try_join(words).unwrap();
    format!("{NONCE} {} 0\n{words}\n", words.len()).into_bytes()
}

/// Seconds since the machine was started.
fn uptime() -> u64 {
    std::fs::read_to_string("/proc/uptime").unwrap().split('.').next().unwrap().parse().unwrap()
}

/// A guard that was started by hand.
struct Guard(Child);

impl Guard {
    fn start(shell: &[&str]) -> Self {
        let mut command = std::process::Command::new(shell[0]);
        command.args(&shell[1..]).args(["sh", "-c", SCRIPT]);
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Its output from the greeting on; its stdin stays open until then.
    fn output(mut self) -> String {
        let mut output = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        self.0.wait().unwrap();
        output.split_once('\n').unwrap().1.to_owned()
    }
}

/// What the guard says to an order.
fn answer(bytes: &[u8]) -> String {
    let mut guard = Guard::start(&["env"]);
    guard.send(bytes);
    guard.output()
}

fn last_word(outcome: &str) -> String {
    format!("\x1e{NONCE} {outcome} 0\n")
}

#[test]
fn an_order_that_is_cut_off_anywhere_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let whole = order("-", 0, 0, &["touch", "--", &path("canary"), &path("x y"), &path("'")]);
    for end in 0..whole.len() - 1 {
        let mut guard = Guard::start(&["env"]);
        guard.send(&whole[..end]);
        drop(guard.0.stdin.take());
        assert_eq!(guard.output(), "", "cut off after {end} bytes");
        assert!(!canary.exists(), "cut off after {end} bytes");
    }
    assert_eq!(answer(&whole).lines().last().unwrap(), last_word("exited").trim_end());
    assert!(canary.exists());
}

#[test]
fn half_a_stdin_is_never_taken_for_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let act = format!("cat >/dev/null; touch {}", canary.display());
    let whole = order("-", 0, 0, &["sh", "-c", &act]);
    let whole = String::from_utf8(whole).unwrap().replacen(" 0\n", " 1000\n", 1);
    let whole = format!("{}{}\n", whole.trim_end(), "x".repeat(1000));
    // Half of it, and all but the line end that says that it was all.
    for end in [whole.len() - 500, whole.len() - 1] {
        let mut guard = Guard::start(&["env"]);
        guard.send(&whole.as_bytes()[..end]);
        drop(guard.0.stdin.take());
        assert_eq!(guard.output(), format!("\x1e{NONCE} ended 143\n"));
        assert!(!canary.exists(), "the command took a part of its stdin for all of it");
    }
    assert_eq!(answer(whole.as_bytes()), last_word("exited"));
    assert!(canary.exists());
}

/// A shell that was just forked loses signals. There are more guards than cores, so that some are interrupted there.
#[test]
fn an_end_that_is_asked_for_as_the_command_begins_is_not_lost() {
    let mut cut_off = order("-", 0, 0, &["sleep", "59"]);
    cut_off.pop();
    let cut_off = String::from_utf8(cut_off).unwrap().replacen(" 0\n", " 1\n", 1);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..16 {
                    let mut guard = Guard::start(&["env"]);
                    guard.send(cut_off.as_bytes());
                    drop(guard.0.stdin.take());
                    assert_eq!(guard.output(), format!("\x1e{NONCE} ended 143\n"));
                }
            });
        }
    });
}

#[test]
fn a_late_order_is_refused() {
    let pod = FencedPod::new();
    for expires in [0, uptime() - 1, uptime()] {
        assert_eq!(answer(&order(pod.id(), 1, expires, &["echo", "ran"])), last_word("expired"));
    }
    assert_eq!(answer(&order(pod.id(), 1, uptime() + 60, &["echo", "ran"])), format!("ran\n{}", last_word("exited")));
}

/// Starts a program that says "ready" and then lives until its stdin ends.
fn held_open(program: &str, args: &[&str]) -> Child {
    let mut command = std::process::Command::new(program);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    child
}

/// Holds a pod's lock, as a command would that nobody can end.
struct Lock(Child);

impl Lock {
    fn of(pod: &FencedPod) -> Self {
        Self(held_open("flock", &[pod.file().to_str().unwrap(), "sh", "-c", "echo ready; exec cat"]))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Waits until the guard waits for its lock.
async fn waits(guard: &Guard) {
    eventually("a guard that waits", async || {
        let waiting =
            |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "flock\n");
        children(&guard.0.id().to_string()).iter().any(waiting).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_order_that_grew_old_while_it_waited_is_refused() {
    let pod = FencedPod::new();
    std::fs::write(pod.file(), "3 1\n").unwrap();
    let lock = Lock::of(&pod);
    let mut guard = Guard::start(&["env"]);
    let expires = uptime() + 6;
    guard.send(&order(pod.id(), 5, expires, &["echo", "ran"]));
    waits(&guard).await;
    eventually("the order to be stale", async || (uptime() >= expires).then_some(())).await;
    drop(lock);
    assert_eq!(guard.output(), last_word("expired"));
}

#[tokio::test]
async fn who_waited_while_the_fence_was_closed_does_not_slip_through() {
    let pod = FencedPod::new();
    std::fs::write(pod.file(), "3 1\n").unwrap();
    let lock = Lock::of(&pod);
    let (mut lower, mut higher) = (Guard::start(&["env"]), Guard::start(&["env"]));
    lower.send(&order(pod.id(), 5, FAR, &["echo", "ran"]));
    higher.send(&order(pod.id(), 11, FAR, &["echo", "ran"]));
    waits(&lower).await;
    waits(&higher).await;
    // A destroy under lease 10 signs the file, removes it, and is gone.
    std::fs::write(pod.file(), format!("{:<40}\n", "10 1")).unwrap();
    std::fs::remove_file(pod.file()).unwrap();
    drop(lock);
    assert_eq!(lower.output(), last_word("fenced"));
    assert_eq!(higher.output(), format!("ran\n{}", last_word("exited")));
    assert_eq!(pod.holder().unwrap().0, 11);
}

#[tokio::test]
async fn a_stranger_with_the_guards_old_pid_is_left_alone() {
    in_time(async {
        let pod = FencedPod::new();
        let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        std::fs::write(pod.file(), format!("3 {0} {0}\n", stranger.id())).unwrap();
        let lock = Lock::of(&pod);
        let bytes = order(pod.id(), 5, FAR, &["echo", "ran"]);
        let answered = tokio::task::spawn_blocking(move || answer(&bytes)).await.unwrap();
        assert_eq!(answered, last_word("busy"));
        assert!(stranger.try_wait().unwrap().is_none(), "somebody else's process was ended");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        drop(lock);
    })
    .await;
}

#[test]
fn on_a_full_disk_no_lease_is_forgotten_and_nothing_runs_unfenced() {
    // A disk that only these shells see, with room for one fence file and no more.
    let fences = "/var/lib/pinacle-worker/fences";
    sh(&format!("mkdir -p -m 700 {fences}"));
    let mount = format!("mount -t tmpfs -o size=8k none {fences} && echo ready && exec cat");
    let mut disk = held_open("unshare", &["--mount", "sh", "-c", &mount]);
    let there = ["nsenter", "--mount", "--target", &disk.id().to_string()];
    let fill = format!("head -c 99999 /dev/zero >{fences}/filler; echo first");
    for (pod, lease, argv, output, outcome) in [
        ("one", 7, &["sh", "-c", &fill][..], "first\n", "exited"),
        ("two", 1, &["echo", "second"], "", "unfenced"),
        ("one", 8, &["echo", "third"], "third\n", "exited"),
        ("one", 7, &["echo", "fourth"], "", "fenced"),
    ] {
        let mut guard = Guard::start(&there);
        guard.send(&order(pod, lease, FAR, argv));
        assert_eq!(guard.output(), format!("{output}{}", last_word(outcome)), "lease {lease} of pod {pod}");
    }
    drop(disk.stdin.take());
    disk.wait().unwrap();
}

#[test]
fn the_command_is_not_told_the_guards_nonce() {
    let mut guard = Guard::start(&["env", "nonce=x", "order=x", "fence=x", "lease=x"]);
    guard.send(&order("-", 0, 0, &["env"]));
    let output = guard.output();
    let environment = output.strip_suffix(&last_word("exited")).unwrap();
    assert!(environment.contains("PATH=") && !environment.contains(NONCE), "{environment}");
}

/// Where a service manager hides all of /proc but processes, say.
#[test]
fn a_host_that_hides_its_uptime_gets_a_reason_and_no_guard() {
    let hide = "mount -t tmpfs none /proc && exec sh -c \"$0\"";
    let ended = std::process::Command::new("unshare").args(["-m", "sh", "-c", hide, SCRIPT]).output().unwrap();
    assert!(!ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("/proc/uptime"), "{ended:?}");
}
