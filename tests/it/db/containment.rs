//! What comes from outside hurts itself alone, as far as no pod host is needed to show it. `host::containment` has the rest.

mod bombs;
mod host_key;
mod images;
pub mod locks;
mod names;
mod promises;
