//! The pods' secrets, sealed for a key that only the workers have: who reads the database, or a backup of it, reads none
//! of them. This room knows the keys and the format ([`seal`]), and how a table of secrets comes to be sealed
//! ([`reseal`]); the rows are the store's, and what a secret is for is the lifecycle's.

mod key;
pub mod reseal;
mod seal;

use secrecy::{ExposeSecret, SecretString};

use crate::store::secrets::StoredSecret;
pub use key::{Keyring, NotAKey, SealingKey};
pub use seal::{OpenError, PREFIX, Place};

/// A secret of a pod as the pod is given it.
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

/// Opens the secrets of a pod. It reckons for as long as a tenth of a millisecond a secret, so not between other futures.
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
