//! The pods' secrets, sealed for a key that only the workers have, so that nobody can read them in the database or in a
//! backup. This room knows the keys and the format ([`seal`]) and seals stored secrets ([`reseal`]); it does not know
//! what a secret is for.

mod key;
pub mod reseal;
mod seal;

use secrecy::{ExposeSecret, SecretString};

use crate::store::secrets::StoredSecret;
pub use key::{Keyring, NotAKey, SealingKey};
pub use seal::{OpenError, PREFIX, Place};

/// A secret of a pod, opened.
pub struct PodSecret {
    /// `env` or `deploy_key`.
    pub kind: String,
    pub name: String,
    pub value: SecretString,
}

/// A secret that can't be opened, and what to do about it. The sentence holds nothing of the value.
#[derive(Debug, thiserror::Error)]
#[error("the secret {name:?} ({kind}) can't be opened: {reason}, and requeue the pod")]
pub struct Unopened {
    kind: String,
    name: String,
    #[source]
    reason: OpenError,
}

/// Opens the secrets of a pod. It takes up to 0.1 ms of CPU time per secret, too long between other futures.
///
/// # Errors
/// The first that can't be opened.
pub fn open_all(keys: &Keyring, pod_id: &str, stored: Vec<StoredSecret>) -> Result<Vec<PodSecret>, Unopened> {
    let open = |StoredSecret { kind, name, value }: StoredSecret| {
        let place = Place { pod_id, kind: &kind, name: &name };
        match keys.open(&place, value.expose_secret()) {
            Ok(value) => Ok(PodSecret { kind, name, value }),
            Err(reason) => Err(Unopened { kind, name, reason }),
        }
    };
    stored.into_iter().map(open).collect()
}
