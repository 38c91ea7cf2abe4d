//! `schema`: what `pods.config` may hold, as JSON Schema.

use std::process::ExitCode;

use crate::{cli::view::output, podspec};

pub fn run() -> anyhow::Result<ExitCode> {
    output::json(&podspec::json_schema())?;
    Ok(ExitCode::SUCCESS)
}
