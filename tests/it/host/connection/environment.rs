//! What stands in `/proc` of the worker's environment, for whoever may look there while a command runs on its own machine.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, process::Stdio};

use crate::support::{TestDb, eventually, worker::binary};

/// In each setting that is secret, so that it is found wherever it comes to.
const CANARY: &str = "canary-0123456789";
/// Stands in for Docker, and takes its time.
const SLOW_DOCKER: &str = "#!/bin/sh\necho $$ >\"$0.pid\"\nexec sleep 300\n";
/// What a command may have, with what a shell adds by itself.
const ALLOWED: [&str; 14] = [
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HOME",
    "LANG",
    "LC_ALL",
    "OLDPWD",
    "PATH",
    "PWD",
    "SHLVL",
    "_",
];

/// Each process's parent.
fn parents() -> BTreeMap<u32, u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name, which may hold anything, comes the state.
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        Some((pid, parent))
    };
    pids.filter_map(parent).collect()
}

/// All that a process has started, and what that has.
fn descendants(of: u32) -> Vec<u32> {
    let parents = parents();
    let is_below = |pid: &u32| {
        let mut pid = *pid;
        while let Some(parent) = parents.get(&pid) {
            if *parent == of {
                return true;
            }
            pid = *parent;
        }
        false
    };
    parents.keys().copied().filter(is_below).collect()
}

#[tokio::test]
async fn no_variable_of_the_workers_can_be_read_beside_a_local_command() {
    let db = TestDb::new().await;
    db.local_server().await;
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    fs::write(&docker, SLOW_DOCKER).unwrap();
    fs::set_permissions(&docker, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut worker = binary()
        .arg("check")
        .env(
            "DATABASE_URL",
            format!("{}{}application_name={CANARY}", db.url(), if db.url().contains('?') { "&" } else { "?" }),
        )
        .envs(
            ["SSH_PRIVATE_KEY", "SECRETS_KEY", "SECRETS_KEY_FALLBACKS", "AWS_SECRET_ACCESS_KEY", "ANYTHING"]
                .map(|name| (name, CANARY)),
        )
        .env("DOCKER_HOST", "unix:///of-the-worker.sock")
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid_file = folder.path().join("docker.pid");
    let command: u32 = eventually("a command on the host", async || {
        assert!(worker.try_wait().unwrap().is_none(), "it ended before it had run a command");
        fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
    })
    .await;

    let mut environments = BTreeMap::new();
    for pid in descendants(worker.id()) {
        // One that has just ended has none.
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        environments.insert(pid, String::from_utf8_lossy(&environment).into_owned());
    }
    assert!(environments.len() > 3, "the guard is some processes: {environments:?}");
    assert!(
        environments[&command].contains("DOCKER_HOST=unix:///of-the-worker.sock\0"),
        "{:?}",
        environments[&command]
    );
    for (pid, environment) in &environments {
        assert!(!environment.contains(CANARY), "process {pid}: {environment:?}");
        for variable in environment.split_terminator('\0') {
            let name = variable.split('=').next().unwrap();
            assert!(ALLOWED.contains(&name), "process {pid} has {name}");
        }
    }
    let own = fs::read_to_string(format!("/proc/{}/environ", worker.id())).unwrap();
    assert!(own.contains(CANARY), "there is something to be found");
    worker.kill().unwrap();
    worker.wait().unwrap();
    eventually("the command to end with its worker", async || {
        (!fs::exists(format!("/proc/{command}")).unwrap()).then_some(())
    })
    .await;
}
