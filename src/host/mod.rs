//! `ServerConnection`: where commands run. Nothing above this module knows whether a pod host is reached over SSH or is
//! the machine itself, and nothing in it knows what a pod is.

pub mod capture;
pub mod command;
pub mod connection;
pub mod directory;
mod facts;
pub mod guard;
mod lease;
mod local;
pub mod private_key;
pub mod recorder;
pub mod redact;
pub mod ssh;

pub use command::{Command, InnerGuard};
pub use connection::{ConnectionError, Outcome, ServerConnection};
pub use directory::{Host, HostDirectory};
pub use lease::LeaseClock;
pub use recorder::{Finished, HostError, LogBudget, Recorder};
