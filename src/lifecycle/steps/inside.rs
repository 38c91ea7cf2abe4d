//! The steps inside the pod: its proxy, environment, commands and processes. A user's text is one argument to `sh -c` in
//! the container, never a part of a script.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{
    Ensured, dotenv,
    notices::{note, say_noted},
};
use crate::{
    host::{Command, ConnectionError, Finished, HostError},
    lifecycle::{StepContext, StepError},
    network::{METADATA, PROHIBITED},
    runtime::{
        Inside,
        shell::{Mark, Place, exports, script, script_for},
    },
    spec::PodSpec,
};

/// nginx starts with the pod's init; gVisor makes it slower.
const PROXY_TIMEOUT: Duration = Duration::from_secs(30);
/// A dependency tree, compiled.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(25);
const HOOK_TIMEOUT: Duration = Duration::from_mins(10);
/// How long a process may take until its health check passes: some compile before they answer.
const HEALTH_TIMEOUT: Duration = Duration::from_mins(3);

const PROXY: [&str; 2] = [PROHIBITED, include_str!("scripts/proxy.bash")];
/// What the script prints where the pod is kept from its host.
const CONFINED: &str = "confined";
const ENVIRONMENT: &str = include_str!("scripts/environment.sh");
const PROCESS: &str = include_str!("scripts/process.sh");
const PROCESSES: &str = include_str!("scripts/processes.sh");
const ENDED: &str = include_str!("scripts/ended.bash");

pub(super) async fn run(pod: &StepContext, command: Command) -> Result<Finished, StepError> {
    Ok(pod.pod_host().await?.runtime.exec(command).await?)
}

/// Runs a command of the user's. Its failure is theirs to mend, and is not tried again.
pub(super) async fn run_theirs(pod: &StepContext, what: &str, command: Command) -> Result<Finished, StepError> {
    let pod_host = pod.pod_host().await?;
    pod_host.runtime.exec(command).await.map_err(|error| match error {
        HostError::Failed { command, outcome, said } => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            StepError::fail(format!("{what} `{command}` {outcome}{said}"))
        }
        other => StepError::from(other).while_doing(what),
    })
}

/// Stores the environment for every later command and waits for the pod's nginx, which needs a moment anyway.
pub async fn proxy(pod: &StepContext) -> Result<Ensured, StepError> {
    let environment = exports_of(pod, &pod.spec).await?;
    let name = pod.host_name().await?;
    let pod_host = pod.pod_host().await?;
    let must_be_confined = !pod.environment.allow_unconfined_pods;
    let found = pod_host.runtime.found().await?;
    let kept_from = match found.container().and_then(|container| container.gateway()) {
        Some(host) if must_be_confined && pod.pod.last_started_at.is_none() => format!("{host} {METADATA}"),
        Some(host) if must_be_confined => host.to_owned(),
        _ => String::new(),
    };
    let wait = script_for("bash", &PROXY.concat(), [name.as_str(), &kept_from])
        .args(Inside::PREFIXES)
        .input(environment)
        .infrastructure()
        .label("🔧 Writing the environment")
        .timeout(PROXY_TIMEOUT);
    pod_host.runtime.answers(&pod_host.server.bind_address, pod.port().await?).await?;
    let silent = |why: String| {
        format!("the pod's nginx does not answer ({why}). Is {} made from the pod base image?", pod.spec.base_image)
    };
    match pod_host.runtime.exec(wait).await {
        Ok(listed) => {
            if must_be_confined && listed.stdout.lines().all(|line| line != CONFINED) {
                unconfined(pod, &pod_host.server.name)?;
            }
            pod.look_inside(Inside::parse(&listed.stdout));
            say_noted(pod).await?;
            Ok(Ensured::Changed)
        }
        Err(HostError::Failed { outcome, said, .. }) => Err(StepError::fail(silent(format!("{outcome}: {said}")))),
        // A container that does not stay up looks like this, too.
        Err(error @ HostError::CutOff { .. }) => Err(StepError::retry(silent(error.to_string()))),
        Err(other) => Err(other.into()),
    }
}

/// A pod that never ran is not let into such a network. One that did goes on: it may have been told what to say, and its
/// user would be none the wiser.
fn unconfined(pod: &StepContext, server: &str) -> Result<(), StepError> {
    let sentence = format!(
        "server {server} does not confine its pods: this one is not kept from the server itself, or from private networks. \
         Run deploy/pod-host.sh there again, which puts up the floor of the pods' network"
    );
    if pod.pod.last_started_at.is_none() {
        return Err(StepError::fail(format!(
            "{sentence}, then requeue the pod; or set ALLOW_UNCONFINED_PODS=true, where all pods are trusted"
        )));
    }
    metrics::counter!("pinacle_unconfined_starts_total").increment(1);
    tracing::warn!(pod.id = %pod.fence.pod_id, server.name = server, "{sentence}.");
    Ok(())
}

/// The environment that every command of the user's is given, as a shell reads it. It goes through stdin: no value stands
/// in a command.
async fn exports_of(pod: &StepContext, spec: &PodSpec) -> Result<String, StepError> {
    let (dir, host, public_url) = (spec.project_dir(), pod.host_name().await?, pod.public_url().await?);
    let ours = [
        ("PINACLE_POD_ID", pod.fence.pod_id.as_str()),
        ("PINACLE_POD_SLUG", &pod.pod.slug),
        ("PINACLE_POD_HOST", &host),
        ("PINACLE_PUBLIC_URL", &public_url),
        ("PINACLE_PROJECT_DIR", &dir),
    ];
    let users = users(pod, spec);
    let unproxied = unproxied(&users);
    let unproxied = unproxied.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(exports(users.iter().copied().chain(unproxied).chain(ours)).map_err(ConnectionError::from)?)
}

/// Where the user has set a proxy, it is none for the pod's own addresses: no proxy elsewhere reaches them.
fn unproxied(users: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    const LOOPBACK: &str = "localhost,127.0.0.1,::1";
    let value = |wanted: &str| users.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let is_proxy = |name: &str| ["http_proxy", "https_proxy", "all_proxy"].contains(&&*name.to_ascii_lowercase());
    if !users.iter().any(|(name, _)| is_proxy(name)) {
        return Vec::new();
    }
    let both = ["no_proxy", "NO_PROXY"];
    // Programs read the one or the other.
    let kept = both.into_iter().filter_map(value).find(|value| !value.is_empty());
    let list = kept.map_or_else(|| LOOPBACK.to_owned(), |kept| format!("{kept},{LOOPBACK}"));
    both.map(|name| (name, list.clone())).to_vec()
}

/// The variables that the user has set; a secret wins over a plain one.
fn users<'a>(pod: &'a StepContext, spec: &'a PodSpec) -> Vec<(&'a str, &'a str)> {
    let secrets = pod.secrets.iter().filter(|secret| secret.kind == "env");
    let secret = secrets.map(|secret| (secret.name.as_str(), secret.value.expose_secret()));
    spec.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(secret).collect()
}

/// Adds what the repository's own file says of the environment, and gives the project a `.env`. A pod without a
/// repository has its whole environment since the step before.
pub async fn environment(pod: &StepContext) -> Result<Ensured, StepError> {
    if pod.spec.repository.is_none() {
        return Ok(Ensured::Unchanged);
    }
    let spec = pod.project().await?;
    let all = exports_of(pod, spec).await?;
    let write = script(ENVIRONMENT, [&all.len().to_string(), &spec.project_dir()])
        .input(all + &dotenv::write(&users(pod, spec)))
        .infrastructure()
        .label("🔧 Writing the environment");
    Ok(Ensured::by(!run(pod, write).await?.stdout.trim().is_empty()))
}

/// Runs the install commands in order, then what the template installs. One that succeeded is marked in the pod and not
/// run again.
pub async fn install(pod: &StepContext) -> Result<Ensured, StepError> {
    let spec = pod.project().await?;
    let dir = spec.project_dir();
    let own = spec.install.iter().enumerate();
    let own = own.map(|(index, text)| (Mark::new(&index.to_string(), text), text.clone(), text.as_str()));
    let templates = spec.dependencies.iter();
    let templates =
        templates.map(|wanted| (Mark::new("dependencies", wanted.mark()), wanted.command(), wanted.shown()));
    let mut acted = false;
    for (mark, text, shown) in own.chain(templates) {
        if mark.is_in(&pod.inside().marks) {
            continue;
        }
        acted = true;
        let command = user(&dir).command_once(&text, &mark).shown_as(shown);
        run_theirs(pod, "the install command", command.label("📥 Installing").timeout(INSTALL_TIMEOUT)).await?;
    }
    Ok(Ensured::by(acted))
}

fn user(dir: &str) -> Place<'_> {
    Place { dir, service: None }
}

/// When hooks run.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// Before the services start.
    PreStart,
    /// When the pod is healthy.
    PostStart,
}

pub async fn hooks(pod: &StepContext, moment: Moment) -> Result<Ensured, StepError> {
    let spec = pod.project().await?;
    let (name, hooks) = match moment {
        Moment::PreStart => ("the preStart hook", &spec.pre_start),
        Moment::PostStart => ("the postStart hook", &spec.post_start),
    };
    let dir = spec.project_dir();
    for hook in hooks {
        run_theirs(pod, name, user(&dir).command(hook).label("🪝 Running hook").timeout(HOOK_TIMEOUT)).await?;
    }
    Ok(Ensured::by(!hooks.is_empty()))
}

/// Starts what is not running, each in a tmux session that a terminal can join, and ends what is no longer wanted.
pub async fn processes(pod: &StepContext) -> Result<Ensured, StepError> {
    let spec = pod.project().await?;
    let mut acted = false;
    // Those that a stop has held are started by what ends the others.
    if !pod.inside().processes.is_empty() || pod.inside().processes_are_held {
        let names = spec.processes.iter().map(|process| process.name.as_str());
        let end = script(PROCESSES, []).args(names).infrastructure();
        acted = !run(pod, end).await?.stdout.trim().is_empty();
    }
    for process in &spec.processes {
        let start = script(PROCESS, [&process.name, &process.start_command])
            .shown_as(&process.start_command)
            .label("▶️ Starting process");
        let started = run_theirs(pod, &format!("starting process {}:", process.name), start).await?;
        acted |= started.stdout.trim() != "already running";
    }
    Ok(Ensured::by(acted))
}

/// Notes the processes that have ended by now, which nobody else would be told of: a job that has started them has done its
/// part.
pub async fn note_ended_processes(pod: &StepContext) -> Result<(), StepError> {
    let spec = pod.project().await?;
    if spec.processes.is_empty() {
        return Ok(());
    }
    let names = spec.processes.iter().map(|process| process.name.as_str());
    let ended = run(pod, script_for("bash", ENDED, []).args(names).infrastructure()).await?.stdout;
    for sentence in ended.lines() {
        note(pod, sentence).await?;
    }
    say_noted(pod).await
}

/// Waits for the health checks of the processes that have one.
pub async fn processes_health(pod: &StepContext) -> Result<bool, StepError> {
    let spec = pod.project().await?;
    let dir = spec.project_dir();
    let mut acted = false;
    for process in &spec.processes {
        let Some(check) = &process.health_check else { continue };
        acted = true;
        let wait = user(&dir).health_check(check, 0).timeout(HEALTH_TIMEOUT);
        run_theirs(pod, &format!("process {} did not become healthy: its check", process.name), wait).await?;
    }
    Ok(acted)
}

#[cfg(test)]
mod tests {
    use super::unproxied;

    #[test]
    fn a_proxy_is_none_for_the_pod_itself() {
        assert!(unproxied(&[("PORT", "3000"), ("NO_PROXY", "intern")]).is_empty());
        for name in ["http_proxy", "HTTPS_PROXY", "all_proxy"] {
            let names = unproxied(&[(name, "http://proxy:3128")]);
            let list = "localhost,127.0.0.1,::1".to_owned();
            assert_eq!(names, [("no_proxy", list.clone()), ("NO_PROXY", list)]);
        }
        let kept = unproxied(&[("http_proxy", "http://proxy:3128"), ("NO_PROXY", "intern")]);
        assert!(kept.iter().all(|(_, list)| list == "intern,localhost,127.0.0.1,::1"), "{kept:?}");
    }
}
