//! The ports of a host that pods are reached by, as in the check on `pods.proxy_port` and in `deploy/pod-host.sh`.

/// The lowest and the highest port that a pod is reached by.
pub const PORTS: std::ops::RangeInclusive<i32> = 30_000..=40_000;
