//! `cleanup`: the scheduled cleanup, now.

use std::process::ExitCode;

use crate::{
    cli::view::output,
    maintenance::cleanup::{Cleanup, Deleted},
    settings::Settings,
};

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    let cleanup = settings.cleanup();
    let deleted = cleanup.run(&db).await?;
    if settings.json {
        output::json(&deleted)?;
    } else {
        let Deleted { logs, jobs } = deleted;
        let Cleanup { log_retention_days, pod_limit_mb, job_retention_days } = cleanup;
        output::line(format!(
            "Deleted {} of pod_logs: those older than {log_retention_days} days, and the oldest of pods with more than \
             {pod_limit_mb} MiB; and {} that were finished more than {job_retention_days} days ago.",
            counted(logs, "row"),
            counted(jobs, "job")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}
