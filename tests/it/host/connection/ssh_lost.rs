//! Connections that are cut: what ran on one is unknown, what comes next works.

use std::{sync::Arc, time::Duration};

use pinacle_worker::remote::{Command, Host, Outcome};

use crate::{
    host::{
        exec::{Marked, exec, in_time, script, ssh, ssh_to, start, timed},
        sshd::{Sshd, User},
    },
    support::{eventually, is_held},
};

/// Prints the pid of the sshd process that serves the connection, from inside it, and the port at our end.
const SESSION: &str = "pid=$$
    while read -r name </proc/$pid/comm && [ \"$name\" != sshd ]; do
        read -r line </proc/$pid/stat; set -- ${line##*) }; pid=$2
    done; echo $pid ${SSH_CONNECTION#* }";

/// A connection, as the host sees it.
#[derive(Debug, PartialEq, Eq)]
struct Session {
    pid: String,
    our_port: u16,
}

impl Session {
    /// The one that the next command will use.
    async fn of(host: &Arc<Host>) -> Self {
        let ran = exec(host, &script(SESSION, [])).await;
        let mut words = ran.stdout.split(' ');
        Self { pid: words.next().unwrap().to_owned(), our_port: words.next().unwrap().parse().unwrap() }
    }

    fn signal(&self, signal: &str) {
        assert!(std::process::Command::new("kill").args([signal, &self.pid]).status().unwrap().success());
    }

    /// Cuts it, and waits until our end has seen that.
    async fn cut(&self) {
        let port = format!(":{:04X}", self.our_port);
        // In the kernel's list: our address is the second word, the socket's inode the tenth.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let inode = lines.find(|words| words[1].ends_with(&port)).unwrap()[9].to_owned();
        self.signal("-KILL");
        eventually("the end of the connection", async || (!is_held(&inode)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_connection_is_cut_is_lost_and_the_next_one_works() {
    in_time(async {
        let host = ssh();
        for family in ["sleep 600 & echo ready; wait", "trap '' TERM HUP; sh -c 'sleep 600; :' & echo ready; wait"] {
            let (session, mark) = (Session::of(&host).await, Marked::new());
            let running = start(&host, &mark.script(family), None);
            running.shows("ready").await;
            session.signal("-KILL");
            let (took, outcome) = timed(running.end()).await;
            assert_eq!(outcome.unwrap(), Outcome::Lost);
            assert!(took < Duration::from_secs(9), "{took:?}");
            assert_eq!(exec(&host, &Command::new("echo").arg("again")).await.stdout, "again\n");
            // The guard on the host sees the cut, too.
            mark.until_gone().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_between_commands_is_made_again() {
    in_time(async {
        let host = ssh();
        let mut sessions = Vec::new();
        for _ in 0..5 {
            let session = Session::of(&host).await;
            session.cut().await;
            assert!(!sessions.contains(&session), "{session:?}");
            sessions.push(session);
        }
        // All that come at once, too.
        Session::of(&host).await.cut().await;
        let many: Vec<_> = (0..20).map(|_| start(&host, &Command::new("true"), None)).collect();
        for running in many {
            assert_eq!(running.end().await.unwrap(), Outcome::Exited(0));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_falls_silent_is_given_up() {
    in_time(async {
        let (host, mark) = (ssh(), Marked::new());
        let session = Session::of(&host).await;
        let running = start(&host, &mark.script("echo ready; sleep 600"), None);
        running.shows("ready").await;
        // As one does whose network is gone: no answer, and no end either.
        session.signal("-STOP");
        let (took, outcome) = timed(running.end()).await;
        assert_eq!(outcome.unwrap(), Outcome::Lost);
        assert!(took < Duration::from_secs(75), "{took:?}");
        assert_eq!(exec(&host, &Command::new("echo").arg("again")).await.stdout, "again\n");
        session.signal("-CONT");
        mark.until_gone().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sshd_never_has_to_refuse_a_session() {
    in_time(async {
        let (sshd, user) = (Sshd::start("").await, User::add("/bin/sh"));
        let host = ssh_to(&sshd.server(user.name()));
        for round in 0..3 {
            let command = script("sleep 0.2; echo $1", [&round.to_string()]);
            let many: Vec<_> = (0..50).map(|_| start(&host, &command, None)).collect();
            let given_up: Vec<_> = (0..10).map(|_| start(&host, &script("echo ready; sleep 600", []), None)).collect();
            for running in given_up {
                running.shows("ready").await;
                running.drop_it().await;
            }
            for running in many {
                assert_eq!(running.end().await.unwrap(), Outcome::Exited(0));
            }
        }
        let log = sshd.log();
        assert!(!log.contains("no more sessions") && !log.contains("MaxStartups"), "{log}");
        let connections = log.matches("Accepted publickey").count();
        assert!((2..=12).contains(&connections), "{connections} connections");
        drop(host);
        user.until_idle().await;
    })
    .await;
}
