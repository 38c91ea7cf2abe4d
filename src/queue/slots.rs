//! The slots of a worker: how many jobs it runs at a time, and whether all slots stay taken.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

pub struct Slots {
    free: Semaphore,
    all_taken: Notify,
    /// How many were given back so far.
    given_back: AtomicUsize,
}

/// A slot that is taken until it is dropped.
pub struct Slot<'a> {
    slots: &'a Slots,
    _permit: SemaphorePermit<'a>,
}

impl Slots {
    pub fn new(count: u32) -> Self {
        let free = Semaphore::new(usize::try_from(count).unwrap_or(1));
        Self { free, all_taken: Notify::new(), given_back: AtomicUsize::new(0) }
    }

    pub async fn take(&self) -> Option<Slot<'_>> {
        let permit = self.free.acquire().await.ok()?;
        if self.free.available_permits() == 0 {
            self.all_taken.notify_one();
        }
        Some(Slot { slots: self, _permit: permit })
    }

    /// Waits until all slots are taken and stay taken for `patience`.
    pub async fn all_taken_for(&self, patience: Duration) {
        loop {
            self.all_taken.notified().await;
            let before = self.given_back.load(Ordering::SeqCst);
            tokio::time::sleep(patience).await;
            if self.free.available_permits() == 0 && self.given_back.load(Ordering::SeqCst) == before {
                return;
            }
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.given_back.fetch_add(1, Ordering::SeqCst);
    }
}
