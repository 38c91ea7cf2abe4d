//! `grant`: gives the web app's role the rights that it needs, and no more.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::{cli::view::output, settings::Settings, store::rights};

pub async fn run(settings: &Settings, role: &str) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    rights::grant(&db, role).await.with_context(|| {
        format!(
            "the role \"{role}\" could not be given its rights. Create it by `CREATE ROLE`, and run this with the \
             DATABASE_URL of the user that ran `pinacle-worker migrate`"
        )
    })?;
    if settings.json {
        output::json(&json!({ "role": role, "granted": true }))?;
    } else {
        output::line(format!(
            "The role {role} may insert pods, jobs and secrets, and read everything except the secrets."
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
