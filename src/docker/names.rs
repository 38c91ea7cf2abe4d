//! What a pod's things are called on its host: derived from the pod's id alone, so that anyone can find or remove them
//! by hand.

use sha2::{Digest, Sha256};

/// Carried by the pod's container, network and volumes.
pub const POD_LABEL: &str = "pinacle.pod";

/// Carried by the same: the installation of this worker that made it, for several may share a host.
pub const INSTALLATION_LABEL: &str = "pinacle.installation";

const HOME_PREFIX: &str = "pinacle-home-";

/// The longest id of a pod.
const MAX_ID_LENGTH: usize = 100;

/// What all pods' bridges begin with, and no other: those that Docker names itself have hexadecimal digits there. The
/// floor of a host's network (`deploy/pod-host.sh`) knows a pod by it.
const BRIDGE_PREFIX: &str = "br-p";
/// Linux allows 15 characters for a network interface.
const BRIDGE_LENGTH: usize = 15;

/// What the database takes as a pod's id (the check on `pods.id`): nothing else was made by us.
pub fn is_pod_id(id: &str) -> bool {
    id.len() <= MAX_ID_LENGTH
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Whether the installation on a label is another one. A thing without the label was made by hand, and counts as ours.
pub fn is_foreign(label: Option<&str>, ours: &str) -> bool {
    label.is_some_and(|label| !label.is_empty() && label != ours)
}

/// What labels a thing as a pod's, and as ours.
pub fn labels(pod_id: &str, installation: &str) -> [String; 2] {
    [format!("{POD_LABEL}={pod_id}"), format!("{INSTALLATION_LABEL}={installation}")]
}

/// Docker's options that do so.
pub fn label_options(pod_id: &str, installation: &str) -> [String; 4] {
    let label = || "--label".to_owned();
    let [pod, ours] = labels(pod_id, installation);
    [label(), pod, label(), ours]
}

/// The name of a pod's container, its network, and the volume of its projects.
pub fn object_name(pod_id: &str) -> String {
    format!("pinacle-pod-{pod_id}")
}

/// The volume of its home. With something behind the id instead, it could be the name of another pod's things.
pub fn home_name(pod_id: &str) -> String {
    format!("{HOME_PREFIX}{pod_id}")
}

/// Whether a pod's volume is that of its home.
pub fn is_home(volume: &str) -> bool {
    volume.starts_with(HOME_PREFIX)
}

/// Docker's filter for what is this pod's; it matches the whole value.
pub fn label_filter(pod_id: &str) -> String {
    format!("label={POD_LABEL}={pod_id}")
}

/// The pod's bridge. The ids of pods that were made in one second begin alike, so their first characters would not do.
pub fn bridge_name(pod_id: &str) -> String {
    let mut name = BRIDGE_PREFIX.to_owned() + &hex_digest(pod_id);
    name.truncate(BRIDGE_LENGTH);
    name
}

/// The SHA-256 of a text, for names that have to be short or plain.
pub fn hex_digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_name_fits_linux_and_is_the_pods_own() {
        let (one, two) = (bridge_name("pod_2xYaaaaaaaa1"), bridge_name("pod_2xYaaaaaaaa2"));
        assert_eq!(one.len(), 15);
        assert_ne!(one, two);
        assert_eq!(one, bridge_name("pod_2xYaaaaaaaa1"));
    }
}
