//! A command's way into `pod_logs`: a row before it runs, its output while it runs, its exit code after, within the fence
//! and with no secret in it. Knows no step, and not what a command is for.

pub mod capture;
mod recorder;
pub mod redact;

pub use recorder::{Finished, HostError, LogBudget, Recorder};
