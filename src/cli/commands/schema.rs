//! `schema`: prints the JSON Schema of `pods.config`.

use std::process::ExitCode;

use crate::{cli::view::output, podspec};

pub fn run() -> anyhow::Result<ExitCode> {
    output::json(&podspec::json_schema())?;
    Ok(ExitCode::SUCCESS)
}
