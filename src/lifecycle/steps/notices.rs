//! What a person has to know of a job whatever its end is: it stands in the job's and the pod's `last_error`, and in the log
//! that the user sees.

use super::inside::run;
use crate::{
    host::Command,
    lifecycle::{StepContext, StepError},
    store::jobs,
};

/// Notes it with the job; the user's log has it once the pod can be spoken to.
pub async fn note(pod: &StepContext, notice: &str) -> Result<(), StepError> {
    let notice = pod.redactor.text(notice);
    tracing::warn!(pod.id = %pod.fence.pod_id, "{notice}.");
    jobs::note(pod.db(), &pod.fence, &notice).await?;
    pod.unsaid().push(notice);
    Ok(())
}

/// Says in the user's log what was noted.
pub async fn say_noted(pod: &StepContext) -> Result<(), StepError> {
    let unsaid = std::mem::take(&mut *pod.unsaid());
    if unsaid.is_empty() {
        return Ok(());
    }
    say(pod, "pinacle: what to know", "⚠️ Noting what to know", unsaid.join("\n") + "\n").await
}

/// Puts a text into the user's log, as what the command `shown` has printed.
pub async fn say(pod: &StepContext, shown: &str, label: &'static str, text: String) -> Result<(), StepError> {
    run(pod, Command::new("cat").input(text).shown_as(shown).label(label)).await.map(drop)
}
