//! The queue: `pod_jobs` holds the jobs, and apalis delivers wakeups, which name pods with a job to run. The claim,
//! the lease and the rescue are ours, because apalis keeps none of them through a crash. Knows no step, spec or host.

mod leases;
mod pool;
mod running;
mod slots;
mod sweep;
mod takeover;
mod wakeups;

pub use leases::{DATABASE_PATIENCE, LEASE_VALIDITY};
pub use pool::{PoolSettings, run};
