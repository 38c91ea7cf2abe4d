//! Provisions development pods: rows in PostgreSQL become gVisor-isolated containers on Linux hosts, over SSH.
//!
//! The rooms, the top first; what a room uses is below it:
//!
//! - [`cli`] has the commands, [`worker`] puts a running worker together, [`api`] serves its health and metrics.
//! - [`queue`] takes jobs, each once at a time and under a lease; [`jobs`] says what each kind of job does, as a list
//!   of [`steps`]; [`reconcile`] compares the hosts with the database; [`maintenance`] has the scheduled tasks.
//! - [`guest`] works inside a pod, [`docker`] on its container, volumes and network.
//! - [`fleet`] knows the hosts, [`transcript`] writes down each command, [`remote`] runs it there, fenced.
//! - [`podspec`] turns a pod's config into what is wanted; [`secrets`] seals what the database must not know.
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
