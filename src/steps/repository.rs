//! The step that brings the user's repository into the pod, and what the repository says of itself.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{
    Ensured, StepContext, StepError,
    commands::{run, run_theirs},
    notices::say,
};
use crate::{
    podspec::{self, PROJECT_FILE_LIMIT, PodSpec, SpecError},
    remote::{private_key, script},
};

const CLONE_TIMEOUT: Duration = Duration::from_mins(15);
/// How many sentences about a `pinacle.yaml` a person reads.
const MAX_NOTICES: usize = 30;

const REPOSITORY: &str = include_str!("../guest/scripts/repository.sh");
const PROJECT_FILE: &str = include_str!("../guest/scripts/project-file.sh");

/// Clones the repository beside its place and moves it there when it is whole, so a half-made clone is never taken for
/// one.
pub async fn repository(ctx: &StepContext) -> Result<Ensured, StepError> {
    let Some(repository) = &ctx.spec.repository else { return Ok(Ensured::Unchanged) };
    let (key, flaw) = deploy_key(ctx)?;
    let branch = repository.branch.as_deref().unwrap_or_default();
    // The first line is the URL, which may hold credentials; the rest is the key.
    let input = format!("{}\n{key}", repository.url);
    let shown = match branch {
        "" => format!("git clone {}", ctx.redactor.text(&repository.url)),
        branch => format!("git clone --branch {branch} {}", ctx.redactor.text(&repository.url)),
    };
    let clone = script(REPOSITORY, [&ctx.spec.project_dir(), branch])
        .input(input)
        .shown_as(shown)
        .label("📦 Cloning repository")
        .timeout(CLONE_TIMEOUT);
    let cloned = run_theirs(ctx, "cloning the repository with", clone).await.map_err(|error| {
        let advice = flaw.unwrap_or_else(|| advice(&error.message, !key.is_empty()).to_owned());
        StepError { message: format!("{}. {advice}", error.message.trim_end_matches('.')), ..error }
    })?;
    Ok(Ensured::by(!cloned.stdout.trim_end().ends_with("already cloned")))
}

/// The pod's deploy key, in the form that ssh takes, empty where there is none; and what is wrong with it. A pod that has run
/// may have its clone, and nobody may need the key any more.
fn deploy_key(ctx: &StepContext) -> Result<(String, Option<String>), StepError> {
    let secret = ctx.secrets.iter().find(|secret| secret.kind == "deploy_key");
    let Some(text) = secret.map(|secret| secret.value.expose_secret()) else { return Ok((String::new(), None)) };
    match private_key::read(text)
        .map_err(|reason| format!("the pod's deploy_key secret {reason}; then requeue the pod"))
    {
        Ok(key) => Ok((key, None)),
        Err(flaw) if ctx.pod.last_started_at.is_some() => Ok((format!("{}\n", text.trim()), Some(flaw))),
        Err(flaw) => Err(StepError::fail(flaw)),
    }
}

/// What to do about a clone that failed, by what git said.
fn advice(said: &str, has_key: bool) -> &'static str {
    const BY_WORDS: [(&[&str], &str); 5] = [
        (&["Remote branch"], "Check the branch"),
        (
            &["Could not resolve", "Connection refused", "timed out", "No route", "Network is unreachable"],
            "The pod does not reach that address: check it, and the proxy variables in the pod's environment",
        ),
        (
            &["certificate", "SSL", "TLS"],
            "The server's certificate is not trusted in the pod: bring its authority by GIT_SSL_CAINFO in the environment",
        ),
        (
            &["could not read Username", "Authentication failed", "403"],
            "The repository wants credentials: put a token into its address, or use an ssh address and a deploy key",
        ),
        (&["not found", "does not exist", "does not appear"], "Check the address, and who may read there"),
    ];
    if said.contains("Permission denied") {
        return if has_key {
            "The server takes another deploy key than the pod's: add the public half of the pod's to the repository, or \
             change the pod's deploy_key secret"
        } else {
            "The server wants a deploy key, and the pod has none: give it one as its deploy_key secret"
        };
    }
    let known = BY_WORDS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
    known.map_or("Check the address, the branch and the deploy key", |(_, advice)| advice)
}

/// The pod's spec with what the repository's own file fills in. What of the file was left out is said in the user's log.
pub async fn project(ctx: &StepContext) -> Result<PodSpec, StepError> {
    if ctx.spec.repository.is_none() {
        return Ok(ctx.spec.clone());
    }
    let limit = (PROJECT_FILE_LIMIT + 1).to_string();
    let read = script(PROJECT_FILE, [&ctx.spec.project_dir(), &limit]).infrastructure().confidential();
    let text = run(ctx, read).await?.stdout;
    let config = ctx.pod.config.0.as_ref().map_err(|reason| StepError::fail(reason.as_str()))?;
    let (spec, notices) =
        podspec::resolve_project(config, &text, &ctx.environment.catalog, |name| ctx.has_secret(name))
            .map_err(|error| StepError::fail(error.to_string()))?;
    ctx.redactor.learn(spec.secrets());
    if !notices.is_empty() {
        say(ctx, "pinacle: read pinacle.yaml", "📄 Reading pinacle.yaml", said_of(&notices)).await?;
    }
    Ok(spec)
}

fn said_of(notices: &[SpecError]) -> String {
    let mut said = "This is left out of what the repository says; all else is used:\n".to_owned();
    for notice in notices.iter().take(MAX_NOTICES) {
        said.extend([&notice.to_string(), "\n"]);
    }
    if let Some(more @ 1..) = notices.len().checked_sub(MAX_NOTICES) {
        said.extend(["and ", &more.to_string(), " more\n"]);
    }
    said
}
