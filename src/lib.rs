//! Provisions development pods: rows in PostgreSQL become gVisor-isolated containers on Linux hosts, over SSH.
//!
//! The rooms, the top floor first; what a room uses is below it:
//!
//! - [`cli`] is what a person types, [`worker`] is what runs for ever, [`api`] is what a supervisor asks of it.
//! - [`queue`] takes jobs, each once at a time and under a lease; [`jobs`] says what each kind of job does, as a list of
//!   [`steps`]; [`reconcile`] compares the hosts with the database; [`maintenance`] keeps what grows within its bounds.
//! - [`guest`] speaks to the inside of a pod, [`docker`] to what is around it.
//! - [`fleet`] knows the hosts, [`transcript`] writes down each command, [`remote`] runs it there, fenced.
//! - [`podspec`] turns a pod's config into what is wanted; [`secrets`] seals what the database is not to know.
//! - [`store`] is all SQL; [`model`] holds the words that all of them share.

pub mod api;
pub mod cli;
pub mod docker;
mod every;
mod fault;
pub mod fleet;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod guest;
pub mod jobs;
pub mod maintenance;
pub mod model;
pub mod podspec;
pub mod queue;
pub mod reconcile;
pub mod remote;
#[cfg(test)]
mod rooms;
pub mod secrets;
pub mod settings;
pub mod steps;
pub mod store;
pub mod telemetry;
pub mod transcript;
pub mod worker;
