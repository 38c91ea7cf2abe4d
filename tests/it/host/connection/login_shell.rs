//! What a login shell does on its own must not be taken for a command's doing.

use std::{fs, sync::Arc, time::Duration};

use pinacle_worker::remote::{Command, ConnectionError, Host, Outcome};

use crate::{
    host::{
        exec::{Marked, exec, in_time, script, ssh_to, start, timed, try_exec},
        guard::FencedPod,
        sshd::{Sshd, User},
    },
    support::host::sh,
};

/// Prints on both streams, and is slow.
const NOISY: &str = "echo noise; echo noise >&2; printf '\\036pinacle-guard soon\\n'; sleep 0.3; printf 'more noise'\n";

async fn noisy_host() -> (Sshd, User, Arc<Host>) {
    let (sshd, user) = (Sshd::start("").await, User::add("/bin/bash"));
    fs::write(format!("{}/.bashrc", user.home()), NOISY).unwrap();
    // The shell is noisy indeed.
    let said = sh(&format!("su {} -c 'SSH_CLIENT=x bash -c true' 2>&1; true", user.name()));
    assert!(said.is_empty() || said.contains("noise"), "{said}");
    let host = ssh_to(&sshd.server(user.name()));
    (sshd, user, host)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_noisy_login_shell_does_not_pollute_the_output() {
    in_time(async {
        let (_sshd, user, host) = noisy_host().await;
        let (took, ran) = timed(exec(&host, &script("echo out; echo err >&2; exit 5", []))).await;
        assert_eq!((ran.outcome, &*ran.stdout, &*ran.stderr), (Outcome::Exited(5), "out\n", "err\n"));
        assert!(took > Duration::from_millis(250), "the shell did not read its .bashrc: {took:?}");
        // All that may run at once and in a row, the guards that were kept ready among them.
        let many: Vec<_> = (0..12).map(|_| start(&host, &Command::new("whoami"), None)).collect();
        for running in many {
            let screen = running.screen.clone();
            assert_eq!(running.end().await.unwrap(), Outcome::Exited(0));
            assert_eq!((screen.stdout(), screen.stderr()), (format!("{}\n", user.name()), String::new()));
        }
        drop(host);
        user.until_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_not_root_keeps_fences_at_home() {
    in_time(async {
        let (_sshd, user, host) = noisy_host().await;
        // Root's own are there already, and are none of the user's business.
        sh("mkdir -p -m 700 /var/lib/pinacle-worker/fences");
        let (pod, mark) = (FencedPod::new(), Marked::new());
        let old = start(&host, &mark.script("sleep 600 & echo ready; wait"), Some(&pod.lease(1)));
        old.shows("ready").await;
        let ran = try_exec(&host, &Command::new("echo").arg("new"), Some(&pod.lease(2))).await.unwrap();
        assert_eq!((ran.outcome, &*ran.stdout), (Outcome::Exited(0), "new\n"));
        assert_eq!(old.end().await.unwrap(), Outcome::Ended);
        mark.assert_gone();
        let fenced = try_exec(&host, &Command::new("true"), Some(&pod.lease(1))).await.unwrap_err();
        assert!(matches!(fenced, ConnectionError::Fenced), "{fenced:?}");
        let folder = format!("{}/.pinacle-worker/fences", user.home());
        assert_eq!(sh(&format!("ls {folder}; stat -c %a {folder}")), format!("{}\n700", pod.id()));
        drop(host);
        user.until_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_can_keep_no_fence_runs_nothing() {
    in_time(async {
        let (_sshd, user, host) = noisy_host().await;
        sh(&format!("mkdir -p -m 700 /var/lib/pinacle-worker/fences; chmod 500 {0}; chown root {0}", user.home()));
        sh(&format!("chmod 755 {0} {0}/.bashrc", user.home()));
        let pod = FencedPod::new();
        let refused = try_exec(&host, &Command::new("true"), Some(&pod.lease(1))).await.unwrap_err();
        assert!(matches!(refused, ConnectionError::Unfenced), "{refused:?}");
        drop(host);
        user.until_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_is_none_is_quoted() {
    in_time(async {
        let (sshd, user) = (Sshd::start("").await, User::add("/usr/sbin/nologin"));
        let host = ssh_to(&sshd.server(user.name()));
        let refused = try_exec(&host, &Command::new("true"), None).await.unwrap_err();
        assert!(matches!(refused, ConnectionError::NoShell(_)), "{refused:?}");
        assert!(refused.to_string().contains("not available"), "{refused}");
        drop(host);
        user.until_idle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_prints_without_end_is_given_up() {
    in_time(async {
        let (sshd, user) = (Sshd::start("").await, User::add("/usr/bin/yes"));
        let host = ssh_to(&sshd.server(user.name()));
        let (took, refused) = timed(try_exec(&host, &Command::new("true"), None)).await;
        assert!(matches!(refused, Err(ConnectionError::NoShell(_))), "{refused:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        drop(host);
        user.until_idle().await;
    })
    .await;
}
