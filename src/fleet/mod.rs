//! The pod hosts as a fleet: which connection leads to which server, and which of them respond.

mod directory;
mod heartbeat;

pub use directory::HostDirectory;
pub use heartbeat::keep_connected;
