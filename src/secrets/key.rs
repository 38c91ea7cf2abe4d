//! The workers' keys: the one that secrets are sealed for, and older ones that only open.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Deserializable, Kem as _, Serializable};
use secrecy::{SecretString, zeroize::Zeroizing};
use sha2::{Digest, Sha256};

use super::seal::{self, KEY_BYTES, KEY_ID_LENGTH, Kem, OpenError, PREFIX, Place};

/// A configured value is not a key. The error does not quote it, since it may be a part of one.
#[derive(Debug, thiserror::Error)]
#[error(
    "a key is {KEY_BYTES} random bytes, as base64 (44 characters) or as 64 hex digits; make one by \
     `openssl rand -base64 {KEY_BYTES}`"
)]
pub struct NotAKey;

/// A private key, with its public one.
pub struct SealingKey {
    private: <Kem as hpke::Kem>::PrivateKey,
    public: <Kem as hpke::Kem>::PublicKey,
    id: String,
}

impl SealingKey {
    /// Reads a private key: 32 bytes, as base64 or as hex digits.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let text = text.trim();
        let bytes = Zeroizing::new(from_hex(text).or_else(|| STANDARD.decode(text).ok()).ok_or(NotAKey)?);
        let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(&bytes).map_err(|_| NotAKey)?;
        let public = Kem::sk_to_pk(&private);
        let digest = Sha256::digest(public.to_bytes());
        let id = digest[..KEY_ID_LENGTH / 2].iter().fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
        Ok(Self { private, public, id: format!("{id:0KEY_ID_LENGTH$x}") })
    }

    /// The id of the public key: the first 16 hex digits of its SHA-256.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, in base64.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.public.to_bytes())
    }

    /// Everything that an app needs to seal: the prefix, the key's id and the public key.
    pub fn public_string(&self) -> String {
        format!("{PREFIX}{}:{}", self.id, self.public_key())
    }

    /// Seals a value for this key and this place.
    pub fn seal(&self, place: &Place<'_>, value: &str) -> String {
        seal::seal(&self.public, &self.id, place, value)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok();
    is_hex.then(|| (0..KEY_BYTES).map(byte).collect::<Option<_>>()).flatten()
}

/// The keys of a worker.
#[derive(Debug, Default)]
pub struct Keyring {
    current: Option<SealingKey>,
    fallbacks: Vec<SealingKey>,
}

impl Keyring {
    /// `fallbacks` open secrets and seal none.
    pub fn new(current: Option<SealingKey>, fallbacks: Vec<SealingKey>) -> Self {
        Self { current, fallbacks }
    }

    /// The key that secrets are sealed for, where one is set.
    pub fn current(&self) -> Option<&SealingKey> {
        self.current.as_ref()
    }

    /// The ids of the older keys.
    pub fn fallback_ids(&self) -> Vec<String> {
        self.fallbacks.iter().map(|key| key.id.clone()).collect()
    }

    /// The secret in a stored value, which is plain or sealed.
    ///
    /// # Errors
    /// It is sealed and can't be opened.
    pub fn open(&self, place: &Place<'_>, stored: &str) -> Result<SecretString, OpenError> {
        let Some(sealed) = seal::Sealed::parse(stored)? else { return Ok(stored.into()) };
        match self.current.iter().chain(&self.fallbacks).find(|key| key.id == sealed.key_id) {
            Some(key) => sealed.open(&key.private, place),
            None if self.current.is_none() && self.fallbacks.is_empty() => {
                Err(OpenError::NoKey(sealed.key_id.to_owned()))
            }
            None => Err(OpenError::UnknownKey(sealed.key_id.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const HEX: &str = "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_key_is_base64_or_hex() {
        for text in [BASE64, HEX, &format!(" {HEX}\n")] {
            let key = SealingKey::parse(text).unwrap();
            assert_eq!(key.id(), "eedd883da0a94515", "as Python's cryptography and hashlib have it");
            assert_eq!(key.public_string(), "hpke:v1:eedd883da0a94515:j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let long = HEX.repeat(2);
        for text in ["", "hunter22", &BASE64[1..], &HEX[1..], &long, &format!("+{}", &HEX[1..]), &"g".repeat(64)] {
            let error = SealingKey::parse(text).unwrap_err().to_string();
            assert!(error.contains("openssl rand -base64 32"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let keys = Keyring::new(Some(SealingKey::parse(BASE64).unwrap()), vec![SealingKey::parse(HEX).unwrap()]);
        let shown = format!("{keys:?}");
        assert!(shown.contains("eedd883da0a94515"), "{shown}");
        assert!(!shown.contains("AAEC") && !shown.contains("000102") && !shown.contains("private"), "{shown}");
    }
}
