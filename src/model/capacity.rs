//! What pods take of their servers.

/// What a pod takes of its server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reservation {
    pub cpu_cores: f32,
    pub memory_mb: i32,
    pub disk_gb: i32,
}

impl Reservation {
    /// The larger of the two, in each respect.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            cpu_cores: self.cpu_cores.max(other.cpu_cores),
            memory_mb: self.memory_mb.max(other.memory_mb),
            disk_gb: self.disk_gb.max(other.disk_gb),
        }
    }
}

/// How many creates, starts and restarts run at once. Stops and destroys are not counted.
#[derive(Debug, Clone, Copy)]
pub struct JobLimits {
    /// In one worker. One owner's jobs leave the last of these to others.
    pub per_worker: u32,
    /// On one server, across all workers. One owner's jobs leave the last of these to others.
    pub per_server: u32,
    /// Of one owner, across all workers.
    pub per_owner: u32,
}
