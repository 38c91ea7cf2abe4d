//! Running a command in the pod: one of ours, or one of the user's.

use super::{StepContext, StepError};
use crate::{
    remote::Command,
    transcript::{Finished, HostError},
};

/// Runs one of our own commands in the pod.
pub async fn run(ctx: &StepContext, command: Command) -> Result<Finished, StepError> {
    Ok(ctx.pod_host().await?.runtime.exec(command).await?)
}

/// Runs a command of the user's. Its failure is theirs to repair, and is not tried again.
pub async fn run_theirs(ctx: &StepContext, what: &str, command: Command) -> Result<Finished, StepError> {
    let pod_host = ctx.pod_host().await?;
    pod_host.runtime.exec(command).await.map_err(|error| match error {
        HostError::Failed { .. } => StepError::fail(format!("{what} {error}")).from_source(error),
        other => StepError::from(other).while_doing(what),
    })
}
