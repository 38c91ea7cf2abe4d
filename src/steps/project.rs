//! What the repository says of itself: its `pinacle.yaml`.

use super::{StepContext, StepError, exec::run, notices::say};
use crate::{
    podspec::{self, PROJECT_FILE_LIMIT, ProjectSpec, SpecError},
    remote::script,
};

/// How many sentences about a `pinacle.yaml` a person reads.
const MAX_NOTICES: usize = 30;

const PROJECT_FILE: &str = include_str!("../guest/scripts/project-file.sh");

/// The project with what the repository's own file fills in. The file is read once, when the pod runs and the repository
/// is there.
pub async fn project(ctx: &StepContext) -> Result<&ProjectSpec, StepError> {
    ctx.known_project().get_or_try_init(|| read(ctx)).await
}

/// Reads the file. What of it is left out stands in the user's log.
async fn read(ctx: &StepContext) -> Result<ProjectSpec, StepError> {
    if ctx.spec.machine.repository.is_none() {
        return Ok(ctx.spec.project.clone());
    }
    let limit = (PROJECT_FILE_LIMIT + 1).to_string();
    let read = script(PROJECT_FILE, [&ctx.project_dir(), &limit]).infrastructure().confidential();
    let text = run(ctx, read).await?.stdout;
    let config = ctx.pod.config.0.as_ref().map_err(|reason| StepError::fail(reason.as_str()))?;
    let (project, notices) =
        podspec::resolve_project(config, &text, &ctx.environment.catalog, |name| ctx.has_secret(name))
            .map_err(|error| StepError::fail(error.to_string()))?;
    ctx.redactor.learn(project.secrets());
    if !notices.is_empty() {
        say(ctx, "pinacle: read pinacle.yaml", "📄 Reading pinacle.yaml", text_of(&notices)).await?;
    }
    Ok(project)
}

fn text_of(notices: &[SpecError]) -> String {
    let mut text = "This is left out of what the repository says; all else is used:\n".to_owned();
    for notice in notices.iter().take(MAX_NOTICES) {
        text.extend([&notice.to_string(), "\n"]);
    }
    if let Some(more @ 1..) = notices.len().checked_sub(MAX_NOTICES) {
        text.extend(["and ", &more.to_string(), " more\n"]);
    }
    text
}
