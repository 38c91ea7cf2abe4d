//! How the stored text of a log row changes.

/// The change that makes a stored text current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Add this at the end of what is stored.
    Append(String),
    /// Store this in place of what is stored.
    Replace(String),
}
