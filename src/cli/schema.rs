//! `schema`: what `pods.config` may hold, as JSON Schema.

use std::process::ExitCode;

use super::output;
use crate::spec;

pub fn run() -> anyhow::Result<ExitCode> {
    output::json(&spec::json_schema())?;
    Ok(ExitCode::SUCCESS)
}
