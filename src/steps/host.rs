//! Asking Docker on the pod's host for something.

use super::{Decision, StepError, context::PodHost};
use crate::{docker::Diagnosis, transcript::HostError};

/// Says what Docker was asked for and could not do. Where the host is to blame, it says so instead, and whether trying
/// again makes sense.
pub async fn explain(pod_host: &PodHost, wish: &str, error: HostError) -> StepError {
    if !matches!(error, HostError::Failed { .. }) {
        return StepError::from(error).while_doing(wish);
    }
    let name = &pod_host.server.name;
    match pod_host.runtime.diagnose().await {
        Ok(Diagnosis::DockerIsDown) => StepError::retry(format!(
            "{wish}: Docker on server {name} does not answer ({error}). Start it, and see `pinacle-worker check`"
        )),
        Ok(Diagnosis::NoGvisor) => StepError::fail(format!(
            "{wish}: Docker on server {name} has no runtime `runsc`. Install gVisor there and register it (see \
             deploy/pod-host.sh), then requeue the pod"
        )),
        Ok(Diagnosis::Healthy) => {
            StepError { decision: Decision::Retry, message: format!("{wish} on server {name}: {error}") }
        }
        Err(diagnosis) => StepError::from(diagnosis).while_doing(wish),
    }
}

/// The result of a call, or the step's error.
macro_rules! ask {
    ($pod_host:expr, $wish:literal, $call:expr) => {
        match $call.await {
            Ok(answer) => answer,
            Err(error) => return Err($crate::steps::host::explain($pod_host, $wish, error).await),
        }
    };
}
pub(super) use ask;
