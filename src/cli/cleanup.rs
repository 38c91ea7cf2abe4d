//! `cleanup`: the scheduled cleanup, now.

use std::process::ExitCode;

use serde_json::json;

use super::output;
use crate::{schedule::cleanup::Cleanup, settings::Settings};

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let db = super::open(settings).await?;
    let days = settings.log_retention_days;
    let deleted = Cleanup { retention_days: days }.run(&db).await?;
    if settings.json {
        output::json(&json!({ "deleted": deleted }))?;
    } else {
        let rows = if deleted == 1 { "row" } else { "rows" };
        output::line(format!("Deleted {deleted} {rows} of pod_logs older than {days} days."))?;
    }
    Ok(ExitCode::SUCCESS)
}
