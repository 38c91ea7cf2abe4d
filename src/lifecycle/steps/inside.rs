//! The steps inside the pod: its proxy, environment, repository, commands and processes. A user's text is one argument
//! to `sh -c` in the container, never a part of a script.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::Ensured;
use crate::{
    host::{Command, Finished, HostError},
    lifecycle::{PodAtWork, StepError},
    runtime::names::hex_digest,
};

/// nginx starts with the pod's init; gVisor makes it slower.
const PROXY_TIMEOUT: Duration = Duration::from_secs(30);
const CLONE_TIMEOUT: Duration = Duration::from_mins(15);
/// A dependency tree, compiled.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(25);
const HOOK_TIMEOUT: Duration = Duration::from_mins(10);
/// How long a process may take until its health check passes.
const HEALTH_TIMEOUT: Duration = Duration::from_mins(1);

const PROXY: &str = include_str!("scripts/proxy.sh");
const ENVIRONMENT: &str = include_str!("scripts/environment.sh");
const REPOSITORY: &str = include_str!("scripts/repository.sh");
const USER_COMMAND: &str = include_str!("scripts/user-command.sh");
const INSTALLED: &str = include_str!("scripts/installed.sh");
const PROCESS: &str = include_str!("scripts/process.sh");
const HEALTHY: &str = include_str!("scripts/healthy.sh");

/// One of our own scripts, with its arguments. Its comments are for who reads the script, not the log.
fn script<const N: usize>(text: &str, args: [&str; N]) -> Command {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    Command::new("sh").args(["-c", &code.join("\n"), "sh"]).args(args)
}

async fn run(pod: &PodAtWork, command: Command) -> Result<Finished, StepError> {
    Ok(pod.site().await?.runtime.exec(command).await?)
}

/// Runs a command of the user's. Its failure is theirs to mend, and is not tried again.
async fn run_theirs(pod: &PodAtWork, what: &str, command: Command) -> Result<Finished, StepError> {
    let site = pod.site().await?;
    site.runtime.exec(command).await.map_err(|error| match error {
        HostError::Failed { command, outcome, said } => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            StepError::fail(format!("{what} `{command}` {outcome}{said}"))
        }
        other => StepError::from(other).while_doing(what),
    })
}

pub async fn proxy(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let wait = script(PROXY, []).infrastructure().label("🔀 Waiting for the pod's proxy").timeout(PROXY_TIMEOUT);
    match pod.site().await?.runtime.exec(wait).await {
        Ok(_) => Ok(Ensured::Done),
        Err(HostError::Failed { outcome, said, .. }) => Err(StepError::fail(format!(
            "the pod's nginx does not answer ({outcome}: {said}). Is {} made from the pod base image?",
            pod.spec.base_image
        ))),
        Err(other) => Err(other.into()),
    }
}

/// Writes the environment that every command of the user's is given, through stdin: no value stands in a command.
pub async fn environment(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let secret = pod
        .secrets
        .iter()
        .filter(|secret| secret.kind == "env")
        .map(|secret| (secret.name.as_str(), secret.value.expose_secret()));
    let plain = pod.spec.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut lines = String::new();
    for (name, value) in plain.chain(secret) {
        let quoted = shlex::try_quote(value)
            .map_err(|_| StepError::fail(format!("the environment value {name} holds a NUL byte; remove it")))?;
        lines.extend(["export ", name, "=", &quoted, "\n"]);
    }
    let never_ran = pod.pod.last_started_at.is_none();
    if lines.is_empty() && never_ran {
        return Ok(Ensured::Already);
    }
    let write = script(ENVIRONMENT, []).input(lines).infrastructure().label("🔧 Writing the environment");
    let written = run(pod, write).await?;
    Ok(Ensured::by(written.stdout.trim() == "written"))
}

/// Clones the repository beside its place and moves it there when it is whole, so a half-made clone is never taken for
/// one.
pub async fn repository(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let Some(repository) = &pod.spec.repository else { return Ok(Ensured::Already) };
    let key = pod.secrets.iter().find(|secret| secret.kind == "deploy_key");
    let key = key.map(|secret| secret.value.expose_secret()).unwrap_or_default();
    let branch = repository.branch.as_deref().unwrap_or_default();
    // The first line is the URL, which may hold credentials; the rest is the key.
    let input = format!("{}\n{key}", repository.url);
    let shown = match branch {
        "" => format!("git clone {}", pod.redactor.text(&repository.url)),
        branch => format!("git clone --branch {branch} {}", pod.redactor.text(&repository.url)),
    };
    let clone = script(REPOSITORY, [&pod.spec.project_dir(), branch])
        .input(input)
        .shown_as(shown)
        .label("📦 Cloning repository")
        .timeout(CLONE_TIMEOUT);
    let cloned = run_theirs(pod, "cloning the repository with", clone).await?;
    Ok(Ensured::by(!cloned.stdout.trim_end().ends_with("already cloned")))
}

/// Runs the install commands in order. One that succeeded is marked in the pod and not run again.
pub async fn install(pod: &PodAtWork) -> Result<Ensured, StepError> {
    if pod.spec.install.is_empty() {
        return Ok(Ensured::Already);
    }
    let done = run(pod, script(INSTALLED, []).infrastructure()).await?.stdout;
    let mut acted = false;
    for (index, text) in pod.spec.install.iter().enumerate() {
        let mark = mark_of(index, text);
        if done.lines().any(|line| line == mark) {
            continue;
        }
        acted = true;
        let command = user_command(pod, text, &mark).label("📥 Installing").timeout(INSTALL_TIMEOUT);
        run_theirs(pod, "the install command", command).await?;
    }
    Ok(Ensured::by(acted))
}

/// What marks an install command as done: its place and its text, so a changed one runs again.
fn mark_of(index: usize, text: &str) -> String {
    hex_digest(&format!("{index}\n{text}"))
}

fn user_command(pod: &PodAtWork, text: &str, mark: &str) -> Command {
    script(USER_COMMAND, [text, &pod.spec.project_dir(), mark]).shown_as(text)
}

pub async fn hooks(pod: &PodAtWork, name: &str, hooks: &[String]) -> Result<Ensured, StepError> {
    for hook in hooks {
        let command = user_command(pod, hook, "").label("🪝 Running hook").timeout(HOOK_TIMEOUT);
        run_theirs(pod, &format!("the {name} hook"), command).await?;
    }
    Ok(Ensured::by(!hooks.is_empty()))
}

/// Starts what is not running, each in a tmux session that a terminal can join.
pub async fn processes(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let mut acted = false;
    for process in &pod.spec.processes {
        let session = format!("process-{}", process.name);
        let start = script(PROCESS, [&session, &pod.spec.project_dir(), USER_COMMAND, &process.start_command])
            .shown_as(&process.start_command)
            .label("▶️ Starting process");
        let started = run_theirs(pod, &format!("starting process {}:", process.name), start).await?;
        acted |= started.stdout.trim() != "already running";
    }
    Ok(Ensured::by(acted))
}

/// Waits for the health checks of the processes that have one.
pub async fn health(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let mut acted = false;
    for process in &pod.spec.processes {
        let Some(check) = &process.health_check else { continue };
        acted = true;
        let wait = script(HEALTHY, [check, &pod.spec.project_dir(), USER_COMMAND])
            .shown_as(check)
            .label("🩺 Checking health")
            .timeout(HEALTH_TIMEOUT);
        run_theirs(pod, &format!("process {} did not become healthy: its check", process.name), wait).await?;
    }
    Ok(Ensured::by(acted))
}
