//! The steps that run the user's commands: what installs the project, and the hooks. A user's text is one argument of a
//! shell in the container, never a part of a script.

use std::time::Duration;

use super::{Ensured, StepContext, StepError, exec::run_theirs, project::project};
use crate::guest::shell::{Mark, Place};

/// A dependency tree, compiled.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(25);
const HOOK_TIMEOUT: Duration = Duration::from_mins(10);

/// Runs the install commands in order, then what the template installs. One that succeeded is marked in the pod and not
/// run again.
pub async fn install(ctx: &StepContext) -> Result<Ensured, StepError> {
    let project = project(ctx).await?;
    let dir = ctx.project_dir();
    let own = project.install.iter().enumerate();
    let own = own.map(|(index, text)| (Mark::new(&index.to_string(), text), text.clone(), text.as_str()));
    let templates = project.dependencies.iter();
    let templates =
        templates.map(|wanted| (Mark::new("dependencies", wanted.mark()), wanted.command(), wanted.shown()));
    let mut acted = false;
    for (mark, text, shown) in own.chain(templates) {
        if mark.is_in(&ctx.inside().marks) {
            continue;
        }
        acted = true;
        let command = user(&dir).command_once(&text, &mark).shown_as(shown);
        run_theirs(ctx, "the install command", command.label("📥 Installing").timeout(INSTALL_TIMEOUT)).await?;
    }
    Ok(Ensured::by(acted))
}

pub(super) fn user(dir: &str) -> Place<'_> {
    Place { dir, service: None }
}

/// Runs the hooks of before the services start.
pub async fn pre_start(ctx: &StepContext) -> Result<Ensured, StepError> {
    hooks(ctx, "the preStart hook", &project(ctx).await?.pre_start).await
}

/// Runs the hooks of a pod that is healthy.
pub async fn post_start(ctx: &StepContext) -> Result<Ensured, StepError> {
    hooks(ctx, "the postStart hook", &project(ctx).await?.post_start).await
}

async fn hooks(ctx: &StepContext, name: &str, hooks: &[impl AsRef<str>]) -> Result<Ensured, StepError> {
    let dir = ctx.project_dir();
    for hook in hooks {
        let run = user(&dir).command(hook.as_ref()).label("🪝 Running hook").timeout(HOOK_TIMEOUT);
        run_theirs(ctx, name, run).await?;
    }
    Ok(Ensured::by(!hooks.is_empty()))
}
