//! The ports of a host that pods are reached by. The check on `pods.proxy_port` and `deploy/pod-host.sh` have the same.

/// The lowest and the highest port that a pod is reached by.
pub const PORTS: std::ops::RangeInclusive<i32> = 30_000..=40_000;
