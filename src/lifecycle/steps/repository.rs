//! The step that brings the user's repository into the pod, and what the repository says of itself.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{
    Ensured,
    inside::{run, run_theirs},
};
use crate::{
    lifecycle::{PodAtWork, StepError},
    runtime::shell::script,
    spec::{self, PodSpec},
};

const CLONE_TIMEOUT: Duration = Duration::from_mins(15);
/// What a `pinacle.yaml` may hold, in bytes: far more than a person writes, far less than what is cut from an output.
const PROJECT_FILE_LIMIT: usize = 256 * 1024;

const REPOSITORY: &str = include_str!("scripts/repository.sh");
const PROJECT_FILE: &str = include_str!("scripts/project-file.sh");

/// Clones the repository beside its place and moves it there when it is whole, so a half-made clone is never taken for
/// one.
pub async fn repository(pod: &PodAtWork) -> Result<Ensured, StepError> {
    let Some(repository) = &pod.spec.repository else { return Ok(Ensured::Already) };
    let key = pod.secrets.iter().find(|secret| secret.kind == "deploy_key");
    let key = key.map(|secret| format!("{}\n", secret.value.expose_secret().trim())).unwrap_or_default();
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
    let cloned = run_theirs(pod, "cloning the repository with", clone).await.map_err(|error| StepError {
        message: format!("{}. Check the address, the branch and the deploy key", error.message.trim_end_matches('.')),
        ..error
    })?;
    Ok(Ensured::by(!cloned.stdout.trim_end().ends_with("already cloned")))
}

/// The pod's spec with what the repository's own file fills in.
pub async fn project(pod: &PodAtWork) -> Result<PodSpec, StepError> {
    if pod.spec.repository.is_none() {
        return Ok(pod.spec.clone());
    }
    let limit = (PROJECT_FILE_LIMIT + 1).to_string();
    let read = script(PROJECT_FILE, [&pod.spec.project_dir(), &limit]).infrastructure().confidential();
    let text = run(pod, read).await?.stdout;
    if text.len() > PROJECT_FILE_LIMIT {
        return Err(StepError::fail(format!(
            "the repository's pinacle.yaml is larger than {PROJECT_FILE_LIMIT} bytes; shorten it"
        )));
    }
    let config = pod.pod.config.0.as_ref().map_err(|reason| StepError::fail(reason.as_str()))?;
    let spec = spec::resolve_project(config, &text, &pod.tools.catalog)
        .and_then(|spec| spec.check_environment(|name| pod.has_secret(name)).map(|()| spec))
        .map_err(|error| StepError::fail(format!("the repository's {error}")))?;
    pod.redactor.learn(spec.secrets());
    Ok(spec)
}
