//! The text of a log row as it grows.

/// What has to be done to a stored text so that it is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Add this at the end of what is stored.
    Append(String),
    /// Store this in place of what is stored.
    Replace(String),
}
