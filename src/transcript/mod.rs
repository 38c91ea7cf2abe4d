//! Records commands in `pod_logs`: a row before a command runs, its output while it runs, its exit code after, within
//! the fence and without secrets. It knows neither steps nor what a command is for.

pub mod capture;
mod recorder;
pub mod redact;

pub use recorder::{Finished, HostError, LogBudget, Recorder};
