//! Provisions development pods: rows in PostgreSQL become gVisor-isolated containers on Linux hosts, over SSH.
//!
//! Read from the top down: [`cli`] is what a person types; [`queue`] takes jobs and runs them, each once at a time and
//! under a lease; [`reconcile`] compares what is on the hosts with what should be; [`lifecycle`] is what a job does, as
//! lists of steps; [`runtime`], [`network`] and [`services`] are how; [`host`] is where, over SSH or locally, fenced and
//! written down; [`spec`] turns a pod's config into what is wanted; [`secrets`] seals what the database is not to know;
//! [`store`] is all SQL.

pub mod cli;
mod fault;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod host;
pub mod http;
pub mod lifecycle;
pub mod network;
pub mod queue;
pub mod reconcile;
pub mod runtime;
pub mod schedule;
pub mod secrets;
pub mod services;
pub mod settings;
pub mod spec;
pub mod store;
