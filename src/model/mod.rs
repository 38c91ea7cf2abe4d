//! The words that several rooms share: kinds, states, leases, capacities. No SQL, no rows, and nothing that acts.

mod capacity;
mod job;
mod lease;
mod log;
mod orphan;
mod pod;
mod port_range;

pub use capacity::{JobLimits, Reservation};
pub use job::{JobKind, JobStatus};
pub use lease::{Fence, LeaseClock};
pub use log::Update;
pub use orphan::{Orphan, OrphanKind};
pub use pod::{PodStatus, SECRET_NAMES};
pub use port_range::PORTS;
