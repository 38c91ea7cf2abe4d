//! The sizes a pod comes in, from `tiers.toml`, so that a new one is a line of data.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::error::{SpecError, no_such};
use crate::model::Reservation;

const TIERS: &str = include_str!("tiers.toml");

/// What a pod may use of its host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name, such as `dev.small`.
    pub name: String,
    /// CPUs; half of one is 0.5.
    pub cpu_cores: f32,
    /// Memory in MiB.
    pub memory_mb: i32,
    /// Disk in GB.
    pub disk_gb: i32,
}

impl Tier {
    /// What a pod of this size takes of its server.
    pub fn reservation(&self) -> Reservation {
        Reservation { cpu_cores: self.cpu_cores, memory_mb: self.memory_mb, disk_gb: self.disk_gb }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tiers {
    default: String,
    #[serde(rename = "tier")]
    tiers: Vec<Tier>,
}

impl Tiers {
    fn read() -> Result<Self, SpecError> {
        toml::from_str(TIERS)
            .map_err(|error| SpecError::new("tier", format!("the worker's own list of tiers is broken: {error}")))
    }
}

/// The tier of this name, or the default one.
pub(super) fn find(name: Option<&str>) -> Result<Tier, SpecError> {
    let Tiers { default, tiers } = Tiers::read()?;
    let name = name.unwrap_or(&default);
    tiers.iter().find(|tier| tier.name == name).cloned().ok_or_else(|| {
        let names: Vec<&str> = tiers.iter().map(|tier| tier.name.as_str()).collect();
        no_such("tier", "tier", name, &names)
    })
}

/// The names of all tiers, and null for the default one, as JSON Schema.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let tiers = Tiers::read().map(|tiers| tiers.tiers).unwrap_or_default();
    let names = tiers.into_iter().map(|tier| Some(tier.name)).chain([None]);
    json_schema!({ "type": ["string", "null"], "enum": names.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_are_those_of_the_contract() {
        let sizes = |name| {
            let tier = find(Some(name)).expect("a tier");
            (tier.cpu_cores.to_string(), tier.memory_mb, tier.disk_gb)
        };
        assert_eq!(sizes("dev.small"), ("0.5".into(), 1024, 10));
        assert_eq!(sizes("dev.medium"), ("1".into(), 2048, 20));
        assert_eq!(sizes("dev.large"), ("2".into(), 4096, 40));
        assert_eq!(sizes("dev.xlarge"), ("4".into(), 8192, 80));
        assert_eq!(find(None).expect("a default").name, "dev.small");
    }

    #[test]
    fn an_unknown_tier_lists_the_known_ones() {
        assert_eq!(
            find(Some("huge")).expect_err("no such tier").to_string(),
            "pods.config tier: there is no tier named \"huge\"; known tiers: dev.small, dev.medium, \
             dev.large, dev.xlarge"
        );
    }
}
