//! How long this process may act on the pods that it has claimed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Until when the worker surely holds its leases; its heartbeat extends it.
#[derive(Debug, Clone)]
pub struct LeaseClock(Arc<Mutex<Instant>>);

impl LeaseClock {
    pub fn new(valid_until: Instant) -> Self {
        Self(Arc::new(Mutex::new(valid_until)))
    }

    pub fn extend(&self, valid_until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = valid_until;
    }

    pub fn valid_until(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_valid(&self) -> bool {
        Instant::now() < self.valid_until()
    }
}

/// Who writes: an execution of a job, under the lease it was given when it claimed the pod.
#[derive(Debug, Clone)]
pub struct Fence {
    pub pod_id: String,
    pub job_id: String,
    pub lease: i64,
}
