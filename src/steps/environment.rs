//! The step that gives the user's commands their environment. It is written by stdin: no value stands in a command.

use secrecy::ExposeSecret;

use super::{Ensured, StepContext, StepError, exec::run, project::project};
use crate::{
    guest::{dotenv, shell::exports},
    podspec::ProjectSpec,
    remote::{ConnectionError, script},
};

const ENVIRONMENT: &str = include_str!("../guest/scripts/environment.sh");

/// The environment that every command of the user's is given, as a shell reads it. It goes through stdin: no value stands
/// in a command.
pub(super) async fn exports_of(ctx: &StepContext, project: &ProjectSpec) -> Result<String, StepError> {
    let (dir, host, public_url) = (ctx.project_dir(), ctx.host_name().await?, ctx.public_url().await?);
    let ours = [
        ("PINACLE_POD_ID", ctx.fence.pod_id.as_str()),
        ("PINACLE_POD_SLUG", &ctx.pod.slug),
        ("PINACLE_POD_HOST", &host),
        ("PINACLE_PUBLIC_URL", &public_url),
        ("PINACLE_PROJECT_DIR", &dir),
    ];
    let users = users(ctx, project);
    let unproxied = unproxied(&users);
    let unproxied = unproxied.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(exports(users.iter().copied().chain(unproxied).chain(ours)).map_err(ConnectionError::from)?)
}

/// Keeps a proxy that the user has set away from the pod's own addresses: no proxy elsewhere reaches them.
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
fn users<'a>(ctx: &'a StepContext, project: &'a ProjectSpec) -> Vec<(&'a str, &'a str)> {
    let secrets = ctx.secrets.iter().filter(|secret| secret.kind == "env");
    let secret = secrets.map(|secret| (secret.name.as_str(), secret.value.expose_secret()));
    project.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(secret).collect()
}

/// Adds what the repository's own file says of the environment, and gives the project a `.env`. A pod without a
/// repository has its whole environment since the step before.
pub async fn environment(ctx: &StepContext) -> Result<Ensured, StepError> {
    if ctx.spec.machine.repository.is_none() {
        return Ok(Ensured::Unchanged);
    }
    let project = project(ctx).await?;
    let all = exports_of(ctx, project).await?;
    let write = script(ENVIRONMENT, [&all.len().to_string(), &ctx.project_dir()])
        .input(all + &dotenv::write(&users(ctx, project)))
        .infrastructure()
        .label("🔧 Writing the environment");
    Ok(Ensured::by(!run(ctx, write).await?.stdout.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::unproxied;

    #[test]
    fn a_proxy_is_not_used_for_the_pod_itself() {
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
