//! The kinds of jobs, one a file: when each makes sense, what it needs to know, and its plan, a list of steps. Beside them
//! is the execution of one job, from the claim to the last write. Knows no wakeup and no slot.

mod create;
mod destroy;
mod execution;
mod interrupt;
mod job;
mod kind;
mod outcome;
mod precondition;
mod prepare;
mod restart;
mod retry;
mod start;
mod stop;

use crate::{model::JobKind, steps::Plan};
pub use execution::execute;
pub use interrupt::{Stop, StopReason};
pub use outcome::JobOutcome;
pub use retry::delay_after;

/// What a kind of job does, step by step.
pub fn plan_of(kind: JobKind) -> &'static Plan {
    &kind::of(kind).plan
}
