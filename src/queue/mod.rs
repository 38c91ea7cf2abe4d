//! The queue: `pod_jobs` is the truth, apalis is the delivery. A wakeup names a pod that has a job to run; the claim, the
//! lease and the rescue are ours, because apalis keeps none of them through a crash. Knows no step, no spec and no host.

mod leases;
mod pool;
mod running;
mod slots;
mod sweep;
mod wakeups;

use std::time::Duration;

pub use pool::{PoolSettings, run};

/// How often a worker renews the leases of what it runs.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long after its last renewal a worker may still act; then it stops itself.
pub const LEASE_VALIDITY: Duration = Duration::from_secs(10);
/// How long a worker waits for its database. Longer than [`LEASE_VALIDITY`]: where the database is slow or away, it is
/// the lease that ends a job, and no query that fails first and costs it an attempt.
pub const DATABASE_PATIENCE: Duration = LEASE_VALIDITY.saturating_mul(2);
/// After how much silence another worker takes a job over. Longer than [`LEASE_VALIDITY`] by what a command needs to
/// be ended, though the fence would make an earlier takeover safe, too.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(15);
/// How long after its deadline a job is taken over although its worker still renews the lease: that worker had the time
/// to end the job and to undo it, and must be stuck.
pub const DEADLINE_OVERRUN: Duration = Duration::from_mins(10);
/// How often a worker looks for what was left behind.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(2);
