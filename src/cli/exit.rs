//! The exit codes beside 0.

/// The command failed.
pub const FAILED: u8 = 1;
/// The command line or a setting can't be used.
pub const WRONG_USAGE: u8 = 2;
