//! The integration tests: the real binary against real PostgreSQL, sshd, Docker, gVisor and nginx.
//!
//! `make test` starts what they need and says where it is in the environment (deploy/dev/stack).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on shall panic, and say why")]

mod apps;
#[cfg(feature = "faults")]
mod chaos;
mod cli;
mod commands;
mod connection;
mod containment;
mod crash;
mod crowd;
mod ended;
mod environment;
mod exec;
mod faults;
mod guard;
mod http;
mod inside;
mod kept;
mod leftovers;
mod localhost;
mod lost_container;
mod memory;
mod pods;
mod queue;
mod random_inputs;
mod reconcile;
mod refusals;
mod repository;
mod routing;
mod schedule;
mod schema;
mod secrets;
mod services;
mod sshd;
mod step_table;
mod support;
mod templates;
