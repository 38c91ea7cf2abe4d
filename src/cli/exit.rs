//! The exit codes other than 0.

/// The command failed.
pub const FAILED: u8 = 1;
/// The command line or a setting is invalid.
pub const WRONG_USAGE: u8 = 2;
