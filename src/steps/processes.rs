//! The step that starts the user's processes, and what is known of them after.

use std::time::Duration;

use super::{
    Ensured, StepContext, StepError,
    commands::user,
    exec::{run, run_theirs},
    notices::{note, say_noted},
    project::project,
};
use crate::remote::{script, script_for};

/// How long a process may take until its health check passes: some compile before they serve.
const HEALTH_TIMEOUT: Duration = Duration::from_mins(3);

const PROCESS: &str = include_str!("../guest/scripts/process.sh");
const PROCESSES: &str = include_str!("../guest/scripts/processes.sh");
const ENDED: &str = include_str!("../guest/scripts/ended.bash");

/// Starts what is not running, each in a tmux session that a terminal can join, and ends what is no longer wanted.
pub async fn processes(ctx: &StepContext) -> Result<Ensured, StepError> {
    let project = project(ctx).await?;
    let mut acted = false;
    // Those that a stop has held are started by what ends the others.
    if !ctx.inside().processes.is_empty() || ctx.inside().processes_are_held {
        let names = project.processes.iter().map(|process| process.name.as_str());
        let end = script(PROCESSES, []).args(names).infrastructure();
        acted = !run(ctx, end).await?.stdout.trim().is_empty();
    }
    for process in &project.processes {
        let start = script(PROCESS, [&process.name, &process.start_command])
            .shown_as(&process.start_command)
            .label("▶️ Starting process");
        let started = run_theirs(ctx, &format!("starting process {}:", process.name), start).await?;
        acted |= started.stdout.trim() != "already running";
    }
    Ok(Ensured::by(acted))
}

/// Notes the processes that have ended already: the job succeeds, and the user would see nothing else of it.
pub async fn note_ended_processes(ctx: &StepContext) -> Result<(), StepError> {
    let project = project(ctx).await?;
    if project.processes.is_empty() {
        return Ok(());
    }
    let names = project.processes.iter().map(|process| process.name.as_str());
    let ended = run(ctx, script_for("bash", ENDED, []).args(names).infrastructure()).await?.stdout;
    for sentence in ended.lines() {
        note(ctx, sentence).await?;
    }
    say_noted(ctx).await
}

/// Waits for the health checks of the processes that have one.
pub async fn processes_health(ctx: &StepContext) -> Result<bool, StepError> {
    let project = project(ctx).await?;
    let dir = ctx.project_dir();
    let mut acted = false;
    for process in &project.processes {
        let Some(check) = &process.health_check else { continue };
        acted = true;
        let wait = user(&dir).health_check(check, 0).timeout(HEALTH_TIMEOUT);
        run_theirs(ctx, &format!("process {} did not become healthy: its check", process.name), wait).await?;
    }
    Ok(acted)
}
