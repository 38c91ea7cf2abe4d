//! What was learned of a host, for a while: to ask again costs a command.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// After this an administrator's change is seen.
const VALIDITY: Duration = Duration::from_mins(5);

/// Facts by name. Those that are no longer valid are forgotten when another is learned, so there are never many.
#[derive(Default)]
pub struct Facts(Mutex<HashMap<String, (Instant, String)>>);

impl Facts {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, (Instant, String)>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.with(|facts| facts.get(name).filter(|(since, _)| since.elapsed() < VALIDITY).map(|(_, fact)| fact.clone()))
    }

    pub fn put(&self, name: String, fact: String) {
        self.with(|facts| {
            facts.retain(|_, (since, _)| since.elapsed() < VALIDITY);
            facts.insert(name, (Instant::now(), fact));
        });
    }

    pub fn forget(&self, name: &str) {
        self.with(|facts| facts.remove(name));
    }
}
