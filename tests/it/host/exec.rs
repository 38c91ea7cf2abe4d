//! Commands on the pod host over both transports, and what can be seen of them from outside.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pinacle_worker::{
    fleet::HostDirectory,
    remote::{Command, ConnectionError, Host, Outcome, Output, guard::FencedBy},
    store::servers::Server,
};
use secrecy::SecretString;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{HANG, env, eventually};

/// Runs each of these tests over both transports: what a command means must not depend on what carries it.
macro_rules! over_both {
    ($($test:ident),+ $(,)?) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::host::exec::in_time(super::$test($crate::host::exec::local())).await;
            })+
        }
        mod ssh {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::host::exec::in_time(super::$test($crate::host::exec::ssh())).await;
            })+
        }
    };
}
pub(crate) use over_both;

pub async fn in_time<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, test).await.expect("a test that ends")
}

/// This machine, without SSH.
pub fn local() -> Arc<Host> {
    HostDirectory::new(None).get(&server("local")).unwrap()
}

/// This machine over SSH, on a connection of its own.
pub fn ssh() -> Arc<Host> {
    ssh_to(&server("ssh"))
}

pub fn ssh_to(server: &Server) -> Arc<Host> {
    HostDirectory::new(Some(client_key())).get(server).unwrap()
}

pub fn client_key() -> SecretString {
    std::fs::read_to_string(env("SSH_PRIVATE_KEY_FILE")).unwrap().into()
}

/// The row of the development stack's pod host.
pub fn server(connection: &str) -> Server {
    Server {
        id: format!("server_{connection}"),
        name: connection.to_owned(),
        connection: connection.to_owned(),
        ssh_host: Some(env("PINACLE_DEV_SSH_HOST")),
        ssh_port: env("PINACLE_DEV_SSH_PORT").parse().unwrap(),
        ssh_user: env("PINACLE_DEV_SSH_USER"),
        ssh_host_key: Some(env("PINACLE_DEV_SSH_HOST_KEY")),
        bind_address: "127.0.0.1".to_owned(),
        domain: "localhost".to_owned(),
        status: "online".to_owned(),
        cpu_cores: 1.0,
        memory_mb: 1,
        disk_gb: 1,
        last_heartbeat_at: None,
    }
}

/// A shell script as a command of the host, with `$1` and so on.
pub fn script<const N: usize>(text: &str, args: [&str; N]) -> Command {
    Command::new("sh").args(["-c", text, "sh"]).args(args)
}

/// A command's output so far, and a way to wait for what it is to say.
#[derive(Clone)]
pub struct Screen(watch::Sender<[Vec<u8>; 2]>);

impl Screen {
    pub fn new() -> Self {
        Self(watch::Sender::new([Vec::new(), Vec::new()]))
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()[0]).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()[1]).into_owned()
    }

    /// Waits until standard output holds `text`.
    pub async fn shows(&self, text: &str) {
        let mut changes = self.0.subscribe();
        let shown = changes.wait_for(|[stdout, _]| String::from_utf8_lossy(stdout).contains(text));
        let in_time = tokio::time::timeout(HANG / 3, shown).await.is_ok();
        assert!(in_time, "{text:?} was not printed, but {:?} and {:?}", self.stdout(), self.stderr());
    }
}

#[async_trait]
impl Output for Screen {
    async fn stdout(&mut self, bytes: &[u8]) {
        self.0.send_modify(|[stdout, _]| stdout.extend_from_slice(bytes));
    }

    async fn stderr(&mut self, bytes: &[u8]) {
        self.0.send_modify(|[_, stderr]| stderr.extend_from_slice(bytes));
    }
}

/// A command that has been started.
pub struct Running {
    pub screen: Screen,
    pub cancel: CancellationToken,
    task: JoinHandle<Result<Outcome, ConnectionError>>,
}

impl Running {
    pub async fn shows(&self, text: &str) {
        tokio::select! {
            () = self.screen.shows(text) => {}
            () = async { while !self.task.is_finished() { tokio::time::sleep(Duration::from_millis(20)).await } } => {
                assert!(self.screen.stdout().contains(text), "it ended: {:?}", self.screen.stderr());
            }
        }
    }

    /// Its end.
    pub async fn end(self) -> Result<Outcome, ConnectionError> {
        self.task.await.unwrap()
    }

    /// Drops the future that runs it, as a worker does that stops.
    pub async fn drop_it(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub fn start(host: &Arc<Host>, command: &Command, fence: Option<&FencedBy>) -> Running {
    let (screen, cancel) = (Screen::new(), CancellationToken::new());
    let (host, command, fence) = (Arc::clone(host), command.clone(), fence.cloned());
    let (mut output, token) = (screen.clone(), cancel.clone());
    let task = tokio::spawn(async move { host.connection.exec(&command, fence.as_ref(), &mut output, &token).await });
    Running { screen, cancel, task }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end, outside any fence.
pub async fn exec(host: &Arc<Host>, command: &Command) -> Ran {
    try_exec(host, command, None).await.unwrap()
}

pub async fn try_exec(host: &Arc<Host>, command: &Command, fence: Option<&FencedBy>) -> Result<Ran, ConnectionError> {
    let mut screen = Screen::new();
    let outcome = host.connection.exec(command, fence, &mut screen, &CancellationToken::new()).await?;
    Ok(Ran { outcome, stdout: screen.stdout(), stderr: screen.stderr() })
}

/// Marks all processes of a command, so that they can be found on the host.
pub struct Marked(String);

impl Marked {
    pub fn new() -> Self {
        Self(format!("PINACLE_TEST_MARK={}", Uuid::new_v4().simple()))
    }

    /// A shell script whose processes carry the mark in their environment.
    pub fn script(&self, text: &str) -> Command {
        Command::new("env").args([&self.0, "sh", "-c", text])
    }

    /// The command lines of the marked processes that live.
    pub fn processes(&self) -> Vec<String> {
        let marked = |process: &std::path::Path| {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == self.0.as_bytes())
        };
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
        processes
            .filter(|process| marked(process))
            .map(|process| {
                let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
                format!("{}: {}", process.display(), String::from_utf8_lossy(&words).replace('\0', " "))
            })
            .collect()
    }

    pub fn assert_gone(&self) {
        assert_eq!(self.processes(), [""; 0]);
    }

    /// Waits until none is left.
    pub async fn until_gone(&self) {
        eventually("the end of the marked processes", async || self.processes().is_empty().then_some(())).await;
    }

    /// A command that counts them on the host.
    pub fn count(&self) -> Command {
        script("grep -lsxzF -- \"$1\" /proc/[0-9]*/environ | wc -l", [&self.0])
    }

    /// A command that ends those that were meant to live on.
    pub fn end(&self) -> Command {
        script(
            "for process in $(grep -lsxzF -- \"$1\" /proc/[0-9]*/environ | cut -d / -f 3); do kill -KILL $process; done",
            [&self.0],
        )
    }
}

/// How long something took.
pub async fn timed<T>(future: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let result = future.await;
    (began.elapsed(), result)
}
