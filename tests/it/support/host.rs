//! The pod host: Docker with gVisor on this machine, reached over SSH on loopback. The tests that use it take turns,
//! also those of another run, because their databases know nothing of each other's ports.

use std::{fs::File, process::Command, time::Duration};

use super::{TestDb, env};

/// A second apart.
const LOOKS_AFTER_A_FAILURE: usize = 10;

/// A test's turn at the pod host.
pub struct PodHost {
    /// Locked, so that tests of other processes take turns, too.
    _turn: File,
    before: Vec<String>,
}

/// Runs a command on this machine, which must succeed, and returns its output.
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl PodHost {
    /// Waits for the turn, and takes stock of the host.
    pub async fn turn() -> Self {
        let wait = tokio::task::spawn_blocking(|| {
            let turn = File::create(std::env::temp_dir().join("pinacle-test-host.lock")).unwrap();
            turn.lock().unwrap();
            turn
        });
        Self { _turn: wait.await.unwrap(), before: inventory() }
    }

    /// Puts the host into the database as a server reached over SSH, roomy enough for every test.
    pub async fn add_to(&self, db: &TestDb) -> String {
        sqlx::query_scalar(
            "INSERT INTO servers (name, ssh_host, ssh_port, ssh_user, ssh_host_key, cpu_cores, memory_mb, disk_gb)
             VALUES ('host', $1, $2, $3, $4, 64, 65536, 1000) RETURNING id",
        )
        .bind(env("PINACLE_DEV_SSH_HOST"))
        .bind(env("PINACLE_DEV_SSH_PORT").parse::<i32>().unwrap())
        .bind(env("PINACLE_DEV_SSH_USER"))
        .bind(env("PINACLE_DEV_SSH_HOST_KEY"))
        .fetch_one(&db.pool)
        .await
        .unwrap()
    }

    /// The machine itself, without SSH.
    pub async fn add_local_to(&self, db: &TestDb) -> String {
        db.local_server().await
    }

    /// The host is as it was when the turn began.
    pub fn assert_as_before(&self) {
        assert_eq!(inventory(), self.before, "something was left on the host, or something is missing");
    }

    fn clear_away(&self) {
        // Docker may be what the test failed by.
        let Ok(inventory) = std::panic::catch_unwind(inventory) else { return };
        for left in inventory.into_iter().filter(|left| !self.before.contains(left)) {
            let mut words = left.split(' ');
            let (Some(kind), Some(name)) = (words.next(), words.next()) else { continue };
            let removed = match kind {
                "container" => format!("docker rm -f {name}"),
                "fence" => format!("rm -f /var/lib/pinacle-worker/fences/{name}"),
                "network" | "volume" => format!("docker {kind} rm {name}"),
                _ => continue,
            };
            drop(Command::new("sh").args(["-c", &removed]).output());
        }
    }
}

impl Drop for PodHost {
    /// What a failed test has left would fail the next one, too. Its workers are dead, but what they ordered last may
    /// still be under way, so one look is not enough.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for _ in 0..LOOKS_AFTER_A_FAILURE {
                self.clear_away();
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

/// Everything of ours that a pod host can hold: containers, networks, volumes, bridges, fence files. The tests of the
/// connection alone need no turn; their fences are called host-test-….
pub fn inventory() -> Vec<String> {
    let all = sh("docker ps -a --filter label=pinacle.pod --format 'container {{.Names}} {{.State}}'
        docker network ls --filter label=pinacle.pod --format 'network {{.Name}}'
        docker volume ls --filter label=pinacle.pod --format 'volume {{.Name}}'
        ls /var/lib/pinacle-worker/fences 2>/dev/null | sed '/^host-test-/d; s/^/fence /'
        ip -o link show type bridge | sed -nE 's/^[0-9]+: (br-[0-9a-f]{12}):.*/bridge \\1/p'");
    let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
    all.sort();
    all
}

/// `docker inspect` of a pod's container.
pub fn inspect(pod: &str) -> serde_json::Value {
    let inspected = sh(&format!("docker container inspect pinacle-pod-{pod}"));
    serde_json::from_str::<Vec<serde_json::Value>>(&inspected).unwrap().remove(0)
}

/// A page through the pod's port, and its status code.
pub fn fetch(port: &str, host: &str, path: &str) -> (String, String) {
    let page = sh(&format!("curl -sS -m 20 -w '\\n%{{http_code}}' -H 'Host: {host}' http://127.0.0.1:{port}{path}"));
    let (page, code) = page.rsplit_once('\n').unwrap_or(("", &page));
    (page.to_owned(), code.to_owned())
}
