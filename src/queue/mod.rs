//! The queue: `pod_jobs` holds the jobs, and apalis delivers wakeups, which name pods that have a job to run. The claim, the
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
