//! What a person has to know of a job whatever its end is: it stands in the job's and the pod's `last_error`, and in the log
//! that the user sees.

use super::inside::run;
use crate::{
    host::Command,
    lifecycle::{PodAtWork, StepError},
    store::jobs,
};

/// Notes it with the job; the user's log has it once the pod can be spoken to.
pub async fn note(pod: &PodAtWork, notice: &str) -> Result<(), StepError> {
    let notice = pod.redactor.text(notice);
    tracing::warn!(pod.id = %pod.fence.pod_id, "{notice}.");
    jobs::note(pod.db(), &pod.fence, &notice).await?;
    pod.unsaid().push(notice);
    Ok(())
}

/// Says in the user's log what was noted.
pub async fn say_noted(pod: &PodAtWork) -> Result<(), StepError> {
    let unsaid = std::mem::take(&mut *pod.unsaid());
    if unsaid.is_empty() {
        return Ok(());
    }
    let say = Command::new("cat").input(unsaid.join("\n") + "\n").shown_as("pinacle: what to know");
    run(pod, say.label("⚠️ Noting what to know")).await.map(drop)
}
