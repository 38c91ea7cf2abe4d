//! `run`: takes jobs and runs them until SIGTERM or Ctrl-C.

use std::process::ExitCode;

use crate::{
    cli::database::{open_for, pool},
    queue::DATABASE_PATIENCE,
    settings::Settings,
    store::Purpose,
    telemetry,
    worker::Worker,
};

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    telemetry::start_log(settings.log_format);
    let worker = Worker::new(settings)?;
    let db = open_for(settings, Purpose::Worker, DATABASE_PATIENCE).await?;
    let jobs_db = pool(settings, Purpose::Jobs, DATABASE_PATIENCE)?;
    worker.run(db, jobs_db).await?;
    Ok(ExitCode::SUCCESS)
}
