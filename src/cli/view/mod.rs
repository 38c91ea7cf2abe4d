//! How pods, jobs, logs and errors are shown to a person.

pub mod explain;
pub mod follow;
pub mod job;
pub mod output;
mod progress;
pub mod screen;
pub mod terminal;
