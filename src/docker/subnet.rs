//! The subnets of the pods of a host: one block of addresses, cut into as many as there are ports.

use std::{net::Ipv4Addr, str::FromStr};

use crate::model::PORTS;

/// Addresses in a pod's subnet: its gateway, its container, and room for what a pod may bring later.
const SUBNET_SIZE: u32 = 16;
const SUBNET_PREFIX: u32 = 28;

/// A block of IPv4 addresses that holds a subnet for each port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubnetPool {
    base: u32,
    prefix: u32,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{given:?} is no block of addresses for pods; use one like 10.200.0.0/14, of /14 or larger, that nothing else uses"
)]
pub struct InvalidSubnetPool {
    given: String,
}

impl SubnetPool {
    /// The subnet that goes with a port.
    pub fn subnet_of(self, port: i32) -> String {
        let index = u32::try_from(port - PORTS.start()).unwrap_or_default();
        format!("{}/{SUBNET_PREFIX}", Ipv4Addr::from(self.base + index * SUBNET_SIZE))
    }
}

impl FromStr for SubnetPool {
    type Err = InvalidSubnetPool;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let needed = u32::try_from(PORTS.count()).unwrap_or(u32::MAX) * SUBNET_SIZE;
        let parse = || {
            let (base, prefix) = given.split_once('/')?;
            let (base, prefix) = (u32::from(base.parse::<Ipv4Addr>().ok()?), prefix.parse::<u32>().ok()?);
            let size = 1_u32.checked_shl(32_u32.checked_sub(prefix)?)?;
            (size >= needed && base.is_multiple_of(size)).then_some(Self { base, prefix })
        };
        parse().ok_or_else(|| InvalidSubnetPool { given: given.to_owned() })
    }
}

impl std::fmt::Display for SubnetPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_has_a_subnet_of_its_own() {
        let pool: SubnetPool = "10.200.0.0/14".parse().unwrap();
        assert_eq!(pool.subnet_of(30_000), "10.200.0.0/28");
        assert_eq!(pool.subnet_of(30_001), "10.200.0.16/28");
        let subnets: std::collections::HashSet<_> = PORTS.map(|port| pool.subnet_of(port)).collect();
        assert_eq!(subnets.len(), PORTS.count());
        assert_eq!(pool.subnet_of(*PORTS.end()), "10.202.113.0/28");
    }

    #[test]
    fn a_pool_that_is_too_small_or_none_is_refused() {
        for given in ["10.200.0.0/15", "10.200.0.1/14", "10.200.0.0", "pods", "10.200.0.0/33", ""] {
            let error = given.parse::<SubnetPool>().unwrap_err().to_string();
            assert!(error.contains("/14"), "{error}");
        }
        assert!("10.0.0.0/8".parse::<SubnetPool>().is_ok());
    }
}
