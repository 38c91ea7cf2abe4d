//! What is said to the inside of a pod: shell commands, services, the environment, and where our own files are there. What
//! comes back is a pod's word, bounded in size, and worth no more than the pod itself.

pub mod dotenv;
mod inside;
pub mod services;
pub mod shell;

pub use inside::Inside;
