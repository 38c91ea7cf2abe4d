//! Asking Docker on the pod's host for something.

use super::{StepError, context::PodHost};
use crate::{docker::Diagnosis, transcript::HostError};

/// The error of a step whose call of Docker failed. Where the reason is the host, the error says that, and whether
/// another attempt makes sense.
pub async fn explain(pod_host: &PodHost, wish: &str, error: HostError) -> StepError {
    if !matches!(error, HostError::Failed { .. }) {
        return StepError::from(error).while_doing(wish);
    }
    let name = &pod_host.server.name;
    let explained = match pod_host.runtime.diagnose().await {
        Ok(Diagnosis::DockerIsDown) => StepError::retry(format!(
            "{wish}: Docker on server {name} does not respond ({error}). Start it, and see `pinacle-worker check`"
        )),
        Ok(Diagnosis::NoGvisor) => StepError::fail(format!(
            "{wish}: Docker on server {name} has no runtime `runsc`. Install gVisor there and register it (see \
             deploy/pod-host.sh), then requeue the pod"
        )),
        Ok(Diagnosis::Healthy) => StepError::retry(format!("{wish} on server {name}: {error}")),
        Err(diagnosis) => return StepError::from(diagnosis).while_doing(wish),
    };
    explained.from_source(error)
}

/// The result of a call, or the step's error.
macro_rules! ask {
    ($pod_host:expr, $wish:literal, $call:expr) => {
        match $call.await {
            Ok(value) => value,
            Err(error) => return Err($crate::steps::host::explain($pod_host, $wish, error).await),
        }
    };
}
pub(super) use ask;
