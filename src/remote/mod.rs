//! `ServerConnection`: where commands run, over SSH or on the machine itself, each under a guard that fences it, holds its
//! time limit and ends all that it started. Nothing above this room knows which of the two it is, and nothing in it knows
//! what a pod is.

pub mod command;
pub mod connection;
mod error;
mod facts;
pub mod guard;
mod host;
mod local;
mod outcome;
mod output;
pub mod private_key;
mod script;
pub mod ssh;

pub use command::{Command, InnerGuard};
pub use connection::ServerConnection;
pub use error::ConnectionError;
pub use facts::Facts;
pub use host::{Host, Policy, Ran};
pub use outcome::Outcome;
pub use output::{Collected, Output};
pub use script::{script, script_for};
