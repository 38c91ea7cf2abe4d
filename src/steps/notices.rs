//! What a person has to know of a job whatever its end is: it stands in the job's and the pod's `last_error`, and in the log
//! that the user sees.

use super::{StepContext, StepError, exec::run};
use crate::{remote::Command, store::jobs};

/// Notes it with the job; the user's log has it once the pod can be spoken to.
pub async fn note(ctx: &StepContext, notice: &str) -> Result<(), StepError> {
    let notice = ctx.redactor.text(notice);
    tracing::warn!(pod.id = %ctx.fence.pod_id, "{notice}.");
    jobs::note(ctx.db(), &ctx.fence, &notice).await?;
    ctx.unsaid().push(notice);
    Ok(())
}

/// Says in the user's log what was noted.
pub async fn say_noted(ctx: &StepContext) -> Result<(), StepError> {
    let unsaid = std::mem::take(&mut *ctx.unsaid());
    if unsaid.is_empty() {
        return Ok(());
    }
    say(ctx, "pinacle: what to know", "⚠️ Noting what to know", unsaid.join("\n") + "\n").await
}

/// Puts a text into the user's log, as what the command `shown` has printed.
pub async fn say(ctx: &StepContext, shown: &str, label: &'static str, text: String) -> Result<(), StepError> {
    run(ctx, Command::new("cat").input(text).shown_as(shown).label(label)).await.map(drop)
}
