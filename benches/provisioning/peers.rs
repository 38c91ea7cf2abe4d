//! The queue that ours is measured beside, in a process of its own, with a database of its own.

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

/// The oldest Node.js that is maintained.
const MIN_NODE: u32 = 20;

/// graphile-worker. What it can be asked stands in `peers/graphile.mjs`.
pub struct Graphile {
    _process: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _db: TestDb,
}

impl Graphile {
    /// Starts it. The error says, for the table, why it can't be.
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
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Ok(Self { _process: process, stdin, answers, _db: db })
    }

    /// Has it do something, and returns the figure of that name.
    pub async fn figure(&mut self, action: &Value, name: &str) -> f64 {
        let answer = self.ask(action).await;
        answer[name].as_f64().unwrap_or_else(|| panic!("graphile-worker: {action}: {answer}"))
    }

    /// Has its runner wait for tasks, or end.
    pub async fn tell(&mut self, action: &str) {
        self.ask(&json!({ "do": action })).await;
    }

    async fn ask(&mut self, action: &Value) -> Value {
        self.stdin.write_all(format!("{action}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("an answer of graphile-worker");
        serde_json::from_str(&answer).unwrap()
    }
}

/// By the lock file; a second time it takes a moment.
fn install(folder: &Path) -> Result<(), String> {
    let version = run(Command::new("node").arg("--version")).map_err(|_| "Node.js is not there".to_owned())?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < MIN_NODE) {
        return Err(format!("Node.js is not there in version {MIN_NODE} or later, but in {}", version.trim()));
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
