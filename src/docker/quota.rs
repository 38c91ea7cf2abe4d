//! Whether a host can hold a pod to the disk of its tier: only some storage drivers on some file systems can.

use crate::podspec::Tier;

/// What of a pod's disk the host can hold to a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskQuota {
    Nothing,
    /// The container's root filesystem, in which the image counts, and not the volumes.
    Root,
    /// All, each by itself.
    RootAndVolumes,
}

/// A limit in MB (10⁶ bytes), as Docker takes it.
pub type Megabytes = i32;

impl DiskQuota {
    /// From one line: Docker's storage driver, then as in [`Self::of`].
    pub fn parse(line: &str) -> Self {
        let (driver, mount) = line.split_once(' ').unwrap_or((line, ""));
        Self::of(driver, mount)
    }

    /// From Docker's storage driver, and the file system and mount options of Docker's folder (`findmnt`'s FSTYPE and
    /// OPTIONS).
    pub fn of(driver: &str, mount: &str) -> Self {
        let (file_system, options) = mount.split_once(char::is_whitespace).unwrap_or((mount, ""));
        let by_project = options.trim().split(',').any(|option| matches!(option, "pquota" | "prjquota"));
        match driver {
            "btrfs" | "zfs" => Self::Root,
            "overlay2" if file_system == "xfs" && by_project => Self::RootAndVolumes,
            _ => Self::Nothing,
        }
    }

    /// What the root filesystem may take. Where the volumes have their own limits, a quarter of the tier: what is
    /// installed is smaller than what a project grows to.
    pub fn of_root(self, tier: &Tier) -> Option<Megabytes> {
        match self {
            Self::Nothing => None,
            Self::Root => Some(tier.disk_gb * 1000),
            Self::RootAndVolumes => Some(tier.disk_gb * 250),
        }
    }

    /// What the volume of the projects may take: a half.
    pub fn of_workspace(self, tier: &Tier) -> Option<Megabytes> {
        (self == Self::RootAndVolumes).then_some(tier.disk_gb * 500)
    }

    /// What the volume of the home may take: another quarter.
    pub fn of_home(self, tier: &Tier) -> Option<Megabytes> {
        (self == Self::RootAndVolumes).then_some(tier.disk_gb * 250)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::podspec::tests::resolve;

    #[test]
    fn quotas_need_a_driver_and_a_file_system_that_have_them() {
        for (driver, mount, quota) in [
            ("overlay2", "xfs    rw,relatime,attr2,inode64,prjquota", DiskQuota::RootAndVolumes),
            ("overlay2", "xfs    rw,relatime,noquota", DiskQuota::Nothing),
            ("overlay2", "ext4   rw,pquota", DiskQuota::Nothing),
            ("overlayfs", "xfs rw,pquota", DiskQuota::Nothing),
            ("zfs", "", DiskQuota::Root),
        ] {
            assert_eq!(DiskQuota::of(driver, mount), quota, "{driver} on {mount}");
        }
    }

    #[test]
    fn together_the_parts_are_the_tiers_disk() {
        let tier = resolve(&json!({ "tier": "dev.medium" })).expect("a pod").machine.tier;
        let limits = |quota: DiskQuota| [quota.of_root(&tier), quota.of_workspace(&tier), quota.of_home(&tier)];
        assert_eq!(limits(DiskQuota::RootAndVolumes), [Some(5_000), Some(10_000), Some(5_000)]);
        assert_eq!(limits(DiskQuota::Root), [Some(20_000), None, None]);
        assert_eq!(limits(DiskQuota::Nothing), [None; 3]);
    }
}
