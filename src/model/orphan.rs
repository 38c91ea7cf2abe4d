//! What is on a host and belongs to no pod.

/// What it is, by what removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrphanKind {
    // In the order in which Docker lets go of them.
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
    /// Docker's id of it, or its name.
    pub key: String,
    pub name: String,
    pub pod_id: String,
    /// A container that runs.
    pub runs: bool,
    pub why: String,
}
