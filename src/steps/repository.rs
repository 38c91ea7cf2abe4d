//! The step that brings the user's repository into the pod, and what the repository says of itself.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Ensured, StepContext, StepError, exec::run_theirs};
use crate::remote::{private_key, script};

const CLONE_TIMEOUT: Duration = Duration::from_mins(15);

const REPOSITORY: &str = include_str!("../guest/scripts/repository.sh");

/// Clones the repository beside its place and moves it there when it is whole, so a half-made clone is never taken for
/// one.
pub async fn repository(ctx: &StepContext) -> Result<Ensured, StepError> {
    let Some(repository) = &ctx.spec.machine.repository else { return Ok(Ensured::Unchanged) };
    let (key, flaw) = deploy_key(ctx)?;
    let branch = repository.branch.as_deref().unwrap_or_default();
    // The first line is the URL, which may hold credentials; the rest is the key.
    let input = format!("{}\n{key}", repository.url);
    let shown = match branch {
        "" => format!("git clone {}", ctx.redactor.text(&repository.url)),
        branch => format!("git clone --branch {branch} {}", ctx.redactor.text(&repository.url)),
    };
    let clone = script(REPOSITORY, [&ctx.project_dir(), branch])
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

/// The pod's deploy key in the form that ssh takes, empty where there is none, and what is wrong with it. A pod that has run
/// may have its clone already and not need the key any more.
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

/// What to do about a clone that failed, by what git printed.
fn advice(printed: &str, has_key: bool) -> &'static str {
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
    if printed.contains("Permission denied") {
        return if has_key {
            "The server takes another deploy key than the pod's: add the public half of the pod's to the repository, or \
             change the pod's deploy_key secret"
        } else {
            "The server wants a deploy key, and the pod has none: give it one as its deploy_key secret"
        };
    }
    let known = BY_WORDS.iter().find(|(words, _)| words.iter().any(|word| printed.contains(word)));
    known.map_or("Check the address, the branch and the deploy key", |(_, advice)| advice)
}
