//! The queue: `pod_jobs` is the truth, apalis is the delivery. A wakeup names a pod that has a job to run; the claim, the
//! lease and the rescue are ours, because apalis keeps none of them through a crash. Knows no step, no spec and no host.

mod leases;
mod pool;
mod running;
mod slots;
mod sweep;
mod takeover;
mod wakeups;

pub use leases::{DATABASE_PATIENCE, LEASE_VALIDITY};
pub use pool::{PoolSettings, run};
