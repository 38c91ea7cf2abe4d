//! The queue that the worker's is compared with, in its own process and with its own database.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::support::TestDb;

/// The oldest maintained version of Node.js.
const MIN_NODE: u32 = 20;

/// graphile-worker. `peers/graphile.mjs` lists the requests.
pub struct Graphile {
    _process: Child,
    stdin: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
    _db: TestDb,
}

impl Graphile {
    /// Starts it. The error says for the table why it cannot be started.
    pub async fn start(concurrency: usize) -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        install(&folder)?;
        let db = TestDb::empty().await;
        let mut process = tokio::process::Command::new("node")
            .arg("graphile.mjs")
            .current_dir(&folder)
            .env("DATABASE_URL", db.url())
            .env("CONCURRENCY", concurrency.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let replies = BufReader::new(process.stdout.take().unwrap()).lines();
        Ok(Self { _process: process, stdin, replies, _db: db })
    }

    /// Sends a request, and returns the figure of that name.
    pub async fn figure(&mut self, action: &Value, name: &str) -> f64 {
        let reply = self.ask(action).await;
        reply[name].as_f64().unwrap_or_else(|| panic!("graphile-worker: {action}: {reply}"))
    }

    /// Sends a request without options, such as to start or stop the runner.
    pub async fn send(&mut self, action: &str) {
        self.ask(&json!({ "do": action })).await;
    }

    async fn ask(&mut self, action: &Value) -> Value {
        self.stdin.write_all(format!("{action}\n").as_bytes()).await.unwrap();
        let reply = self.replies.next_line().await.unwrap().expect("a reply of graphile-worker");
        serde_json::from_str(&reply).unwrap()
    }
}

/// Installs by the lock file; only the first time takes long.
fn install(folder: &Path) -> Result<(), String> {
    let version = run(Command::new("node").arg("--version")).map_err(|_| "Node.js is not there".to_owned())?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < MIN_NODE) {
        return Err(format!("Node.js {MIN_NODE} or later is needed, and this is {}", version.trim()));
    }
    run(Command::new("npm").arg("--version")).map_err(|_| "npm is not there".to_owned())?;
    let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    run(Command::new("npm").args(install).current_dir(folder))
        .map_err(|error| format!("graphile-worker could not be installed: {error}"))?;
    Ok(())
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
