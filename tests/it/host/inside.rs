//! What a command means inside a container: the same as on a host, with the guard that the image brings, and with the one
//! that the worker brings for an image without it.

use std::{sync::Arc, time::Duration};

use pinacle_worker::remote::{Command, Host, InnerGuard, Outcome, command::Container};

use crate::{
    host::exec::{exec, script, ssh, start},
    support::{PodHost, eventually, host::sh},
};

/// A command with a child and a grandchild that all wait.
const FAMILY: &str = "sh -c 'sleep 600; :' & (sleep 600; :) & echo ready; wait";
/// They ignore a polite request.
const STUBBORN: &str = "trap '' TERM; sh -c 'sleep 600; :' & echo ready; sleep 600; sleep 600";

/// A container of the base image that belongs to no pod.
struct Guarded {
    host: Arc<Host>,
    name: String,
    guard: InnerGuard,
}

impl Guarded {
    fn start(guard: InnerGuard) -> Self {
        let name = format!("pinacle-test-inside-{guard:?}").to_lowercase();
        sh(&format!("docker run -d --runtime runsc --name {name} pinacledev/pinacle-base"));
        Self { host: ssh(), name, guard }
    }

    fn inside(&self, command: Command) -> Command {
        command.inside(Container { name: self.name.clone(), guard: self.guard })
    }

    fn script(&self, text: &str) -> Command {
        self.inside(script(text, []))
    }

    /// How many of the commands that wait in it still live.
    fn sleepers(&self) -> usize {
        let counted = sh(&format!("docker exec {} pgrep -c '^sleep$' || true", self.name));
        counted.parse().unwrap_or_else(|_| panic!("pgrep counted {counted:?}"))
    }

    async fn says_what_the_command_did(&self) {
        let ran = exec(&self.host, &self.script("echo out; echo err >&2; printf 'no newline'; exit 3")).await;
        assert_eq!(ran.outcome, Outcome::Exited(3));
        assert_eq!((&*ran.stdout, &*ran.stderr), ("out\nno newline", "err\n"));
        for code in [0, 124, 126, 127, 137, 143, 255] {
            let ran = exec(&self.host, &self.script(&format!("exit {code}"))).await;
            let told = if (129..=192).contains(&code) { Outcome::Signalled(code - 128) } else { Outcome::Exited(code) };
            assert_eq!((ran.outcome, &*ran.stdout, &*ran.stderr), (told, "", ""));
        }
        for (signal, number) in [("KILL", 9), ("SEGV", 11)] {
            let ran = exec(&self.host, &self.script(&format!("ulimit -c 0; kill -{signal} $$"))).await;
            assert_eq!(ran.outcome, Outcome::Signalled(number));
        }
        let ran = exec(&self.host, &self.inside(Command::new("no-such-program"))).await;
        assert_eq!(ran.outcome, Outcome::Exited(127));
        assert!(ran.stderr.contains("no-such-program"), "{ran:?}");
        let ran = exec(&self.host, &self.inside(Command::new("/etc/passwd"))).await;
        assert_eq!(ran.outcome, Outcome::Exited(126));
    }

    async fn hands_over_words_and_stdin_as_they_are(&self) {
        let words = ["two  words", "'\"$HOME`\\", "", "a\nb", "ä€"];
        let echo = self.inside(script("printf '%s|' \"$@\"; cat", words)).input("line\n\x1epinacle-guard 1\nno end");
        let ran = exec(&self.host, &echo).await;
        assert_eq!(ran.stdout, format!("{}|line\n\x1epinacle-guard 1\nno end", words.join("|")));
        let large = "0123456789abcdef".repeat(64 * 1024);
        let ran = exec(&self.host, &self.script("wc -c").input(large.clone())).await;
        assert_eq!(ran.stdout.trim(), large.len().to_string());
        let ran = exec(&self.host, &self.script("exec <&-; echo unread").input(large)).await;
        assert_eq!((ran.outcome, &*ran.stdout), (Outcome::Exited(0), "unread\n"));
    }

    async fn leaves_a_daemon_and_does_not_wait_for_it(&self) {
        let ran = exec(&self.host, &self.script("sleep 4444 & echo started")).await;
        assert_eq!((ran.outcome, &*ran.stdout), (Outcome::Exited(0), "started\n"));
        assert_eq!(sh(&format!("docker exec {} pkill -c -f 'sleep 4444'", self.name)), "1");
    }

    async fn ends_all_of_it(&self) {
        for family in [FAMILY, STUBBORN] {
            let running = start(&self.host, &self.script(family), None);
            running.shows("ready").await;
            running.cancel.cancel();
            assert_eq!(running.end().await.unwrap(), Outcome::Ended);
            assert_eq!(self.sleepers(), 0);

            let ran = exec(&self.host, &self.script(family).timeout(Duration::from_secs(3))).await;
            assert_eq!((ran.outcome, &*ran.stdout), (Outcome::TimedOut, "ready\n"));
            assert_eq!(self.sleepers(), 0);

            let running = start(&self.host, &self.script(family), None);
            running.shows("ready").await;
            running.drop_it().await;
            eventually("the end of what was dropped", async || (self.sleepers() == 0).then_some(())).await;
        }
        let farewell = "trap 'sleep 1; echo farewell; exit' TERM; echo ready; sleep 600 & wait";
        let running = start(&self.host, &self.script(farewell), None);
        running.shows("ready").await;
        let screen = running.screen.clone();
        running.cancel.cancel();
        assert_eq!(running.end().await.unwrap(), Outcome::Ended);
        assert_eq!(screen.stdout(), "ready\nfarewell\n");
    }

    async fn tells_a_lost_container_from_a_failed_command(&self) {
        let gone = Container { name: format!("{}-gone", self.name), guard: self.guard };
        assert_eq!(exec(&self.host, &script("exit 0", []).inside(gone)).await.outcome, Outcome::CutOff);
        let running = start(&self.host, &self.script(FAMILY), None);
        running.shows("ready").await;
        sh(&format!("docker kill {}", self.name));
        // Docker gives 137 for a container that was killed, and so does one that needed too much memory.
        assert!(matches!(running.end().await.unwrap(), Outcome::CutOff | Outcome::Signalled(9)));
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(std::process::Command::new("docker").args(["rm", "-f", &self.name]).output());
    }
}

async fn a_command_means_the_same_in_a_container_with(guard: InnerGuard) {
    let host = PodHost::turn().await;
    let guarded = Guarded::start(guard);
    guarded.says_what_the_command_did().await;
    guarded.hands_over_words_and_stdin_as_they_are().await;
    guarded.leaves_a_daemon_and_does_not_wait_for_it().await;
    guarded.ends_all_of_it().await;
    guarded.tells_a_lost_container_from_a_failed_command().await;
    host.assert_as_before();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_means_the_same_with_the_program_of_the_image() {
    a_command_means_the_same_in_a_container_with(InnerGuard::Program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_means_the_same_with_the_script_of_the_host() {
    a_command_means_the_same_in_a_container_with(InnerGuard::Script).await;
}
