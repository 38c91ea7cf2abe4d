//! `migrate`: creates or upgrades the schema, any number of times, from any number of processes.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    cli::view::output,
    settings::Settings,
    store::{self, Purpose},
};

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::pool(settings, Purpose::Migration, crate::cli::database::COMMAND_PATIENCE)?;
    store::migrate(&db).await.map_err(|error| {
        let advice = store::explain_migration_error(&error);
        error.context(format!("the schema could not be brought up to date. {advice}"))
    })?;
    if settings.json {
        output::json(&json!({ "schema": "current" }))?;
    } else {
        output::line("The schema is current.")?;
    }
    Ok(ExitCode::SUCCESS)
}
