//! `cleanup`: the scheduled cleanup, now.

use std::process::ExitCode;

use serde_json::json;

use super::output;
use crate::{schedule::cleanup::Cleanup, settings::Settings};

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let db = super::open(settings).await?;
    let cleanup = Cleanup::by(settings);
    let deleted = cleanup.run(&db).await?;
    if settings.json {
        output::json(&json!({ "deleted": deleted }))?;
    } else {
        let rows = if deleted == 1 { "row" } else { "rows" };
        let Cleanup { retention_days, pod_limit_mb } = cleanup;
        output::line(format!(
            "Deleted {deleted} {rows} of pod_logs: those older than {retention_days} days, and the oldest of pods with more \
             than {pod_limit_mb} MiB."
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
