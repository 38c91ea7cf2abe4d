//! What is on a host and belongs to no pod.

/// The kind of an orphan, which decides how it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrphanKind {
    // In the order in which Docker can remove them.
    Container,
    Network,
    Volume,
    Fence,
}

impl OrphanKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Fence => "fence",
        }
    }
}

/// A thing on a host that belongs to no pod there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub kind: OrphanKind,
    /// Its id in Docker, or its name.
    pub key: String,
    pub name: String,
    pub pod_id: String,
    /// Whether it is a container that runs.
    pub runs: bool,
    pub why: String,
}
