//! A worker as a user starts it: the real binary, in a process of its own.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use super::{TestDb, eventually, nobodys_key, timing, turn};

/// The binary under test, with the key that the pod host knows it by. Where there is no host it has one all the same, to come as
/// far as it does with a host that doesn't answer.
pub fn binary() -> Command {
    timing::begin();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinacle-worker"));
    if std::env::var_os("SSH_PRIVATE_KEY_FILE").is_none() {
        command.env("SSH_PRIVATE_KEY", nobodys_key::private());
    }
    command.envs(turn::subnets().map(|subnets| ("POD_SUBNETS", subnets)));
    command
}

/// Runs a command of the binary to its end.
pub fn cli(db: &TestDb, args: &[&str]) -> Output {
    binary().env("DATABASE_URL", db.url()).args(args).stdin(Stdio::null()).output().unwrap()
}

pub struct Worker {
    child: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Worker {
    /// Starts `pinacle-worker run`.
    pub async fn start(db: &TestDb) -> Self {
        Self::start_with(db, &[]).await
    }

    /// Starts it with settings, and waits until it takes jobs.
    pub async fn start_with(db: &TestDb, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let child = binary()
            .arg("run")
            .env("DATABASE_URL", db.url())
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("RUST_LOG", "info,apalis=warn,apalis_core=warn,sqlx=warn")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut worker = Self { child, log, _folder: folder };
        eventually("a worker that takes jobs", async || {
            assert!(worker.child.try_wait().unwrap().is_none(), "the worker ended: {}", worker.log());
            worker.log().contains("The worker takes jobs.").then_some(())
        })
        .await;
        worker
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has taken so far, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a deploy would, and returns its exit code.
    pub async fn stop(self) -> Option<i32> {
        self.signal("-TERM");
        self.stopped().await
    }

    /// Waits until it has ended by itself, and returns its exit code.
    pub async fn stopped(mut self) -> Option<i32> {
        eventually("a worker that stops", async || self.child.try_wait().unwrap()).await.code()
    }
}

/// What happens to a worker that is built with the feature `faults`.
#[cfg(feature = "faults")]
impl Worker {
    /// Waits until it has died by itself.
    pub async fn death(mut self) -> std::process::ExitStatus {
        loop {
            if let Some(died) = self.child.try_wait().unwrap() {
                return died;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has stopped itself.
    pub async fn until_frozen(&self) {
        let stat = format!("/proc/{}/stat", self.pid());
        eventually("a worker that stops itself", async || {
            std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
        })
        .await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- the worker's log ---\n{}", self.log());
        }
    }
}
