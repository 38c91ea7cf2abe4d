//! The executions of this process, and how each is stopped.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{
    jobs::{Stop, StopReason},
    store::jobs::Held,
};

struct Execution {
    lease: i64,
    since: Instant,
    stop: Stop,
}

/// The executions of this process, by job.
#[derive(Default)]
pub struct Running(Mutex<HashMap<String, Execution>>);

impl Running {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Execution>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers the execution until the entry is dropped, also by a panic.
    pub fn enter(self: &Arc<Self>, job_id: &str, lease: i64) -> Entry {
        let stop = Stop::default();
        let execution = Execution { lease, since: Instant::now(), stop: stop.clone() };
        self.with(|running| running.insert(job_id.to_owned(), execution));
        Entry { running: Arc::clone(self), job_id: job_id.to_owned(), stop }
    }

    pub fn job_ids(&self) -> Vec<String> {
        self.with(|running| running.keys().cloned().collect())
    }

    pub fn stop_all(&self, reason: &StopReason) {
        self.with(|running| running.values().for_each(|execution| execution.stop.because(reason.clone())));
    }

    /// Stops the executions that began before `asked_at` and were cancelled, or are no longer `held` under their lease.
    pub fn compare(&self, held: &[Held], asked_at: Instant) {
        self.with(|running| {
            for (job_id, execution) in running.iter().filter(|(_, execution)| execution.since < asked_at) {
                match held.iter().find(|held| held.job_id == *job_id && held.lease == execution.lease) {
                    None => execution.stop.because(StopReason::LeaseLost),
                    Some(Held { cancel_reason: Some(reason), .. }) => {
                        execution.stop.because(StopReason::Cancelled(reason.clone()));
                    }
                    Some(_) => {}
                }
            }
        });
    }
}

/// The registration of an execution.
pub struct Entry {
    running: Arc<Running>,
    job_id: String,
    pub stop: Stop,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.with(|running| running.remove(&self.job_id));
    }
}
