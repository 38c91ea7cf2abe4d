//! The integration tests: the real binary against real PostgreSQL, sshd, Docker, gVisor and nginx.
//!
//! `make test` starts what they need and says where it is in the environment (deploy/dev/stack). They are one program, since
//! each would have to be linked, and their tiers are its modules: `db` needs PostgreSQL alone, `host` all real parts, `chaos`
//! stops a worker at each boundary, and `apps` fetches from the registries.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on shall panic, and say why")]

mod apps;
#[cfg(feature = "faults")]
mod chaos;
mod db;
mod host;
mod support;
