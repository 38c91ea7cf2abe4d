//! The commands, one a file.

pub mod cleanup;
pub mod grant;
pub mod jobs;
pub mod logs;
pub mod migrate;
pub mod pods;
pub mod reconcile;
pub mod run;
pub mod schema;
pub mod secrets;
pub mod servers;
