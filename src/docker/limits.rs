//! What a container may use of its host, as Docker counts it.

use crate::podspec::Tier;

const NANO: f64 = 1e9;
const MIB: i64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Billionths of a CPU; 0 is no limit.
    nano_cpus: i64,
    /// Bytes; 0 is no limit. Swap comes not on top of it.
    memory: i64,
}

impl Limits {
    /// As Docker says them of a container.
    pub fn new(nano_cpus: i64, memory: i64) -> Self {
        Self { nano_cpus, memory }
    }

    pub fn of(tier: &Tier) -> Self {
        Self::from_reserved(tier.cpu_cores, tier.memory_mb)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a float that is too large or no number becomes another limit")]
    pub fn from_reserved(cpu_cores: f32, memory_mb: i32) -> Self {
        Self { nano_cpus: (f64::from(cpu_cores) * NANO).round() as i64, memory: i64::from(memory_mb) * MIB }
    }

    /// CPUs and MiB of memory. `None` where either has no limit, or one beyond what any server has.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a server has few CPUs")]
    pub fn cores_and_mb(self) -> Option<(f32, i32)> {
        let memory_mb = i32::try_from(self.memory / MIB).ok()?;
        (self.nano_cpus > 0 && memory_mb > 0).then_some(((self.nano_cpus as f64 / NANO) as f32, memory_mb))
    }

    /// Docker's options that set them.
    pub fn options(self) -> [String; 6] {
        let memory = format!("{}m", self.memory / MIB);
        #[expect(clippy::cast_precision_loss, reason = "a tier has few CPUs")]
        let cpus = (self.nano_cpus as f64 / NANO).to_string();
        ["--memory".to_owned(), memory.clone(), "--memory-swap".to_owned(), memory, "--cpus".to_owned(), cpus]
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.cores_and_mb() {
            Some((cpu_cores, memory_mb)) => write!(f, "{cpu_cores} CPU and {memory_mb} MB of memory"),
            None => write!(f, "no usual limit of CPU ({} nano) and memory ({} bytes)", self.nano_cpus, self.memory),
        }
    }
}
