//! What the worker does inside a pod: shell commands, services, the environment, and the paths of our own files there.
//! A pod's output is bounded in size and never trusted beyond that pod.

pub mod dotenv;
mod inside;
pub mod services;
pub mod shell;

pub use inside::Inside;
