//! The form of a sealed value: `hpke:v1:<key id>:<base64>`, by HPKE (RFC 9180) in its base mode, with DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. The base64 holds the encapsulated key and, behind it, the ciphertext. The
//! row of the value is the associated data, so that it opens nowhere else.
//!
//! Whatever begins with the prefix counts as sealed: a value that was damaged is never taken for a plain one.

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256};
use secrecy::{
    SecretString,
    zeroize::{Zeroize, Zeroizing},
};

/// The bytes of a private key, and of a public one.
pub(super) const KEY_BYTES: usize = 32;
/// The hex digits of a key id.
pub(super) const KEY_ID_LENGTH: usize = 16;

pub(super) type Kem = X25519HkdfSha256;
type PublicKey = <Kem as hpke::Kem>::PublicKey;
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;

/// What a sealed value begins with.
pub const PREFIX: &str = "hpke:v1:";

/// The row that a value belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub pod_id: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
}

impl Place<'_> {
    /// A text in PostgreSQL has no NUL in it, so no two places have the same associated data.
    fn associated_data(&self) -> Vec<u8> {
        [self.pod_id, self.kind, self.name].join("\0").into_bytes()
    }
}

/// Why a value can't be opened, with what to do; "the secret …: " stands before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it is sealed for the key {0}, and SECRETS_KEY is not set. Give the workers that key")]
    NoKey(String),
    #[error(
        "it is sealed for the key {0}, which is neither SECRETS_KEY nor among SECRETS_KEY_FALLBACKS. Give the workers \
         that key as a fallback, or write the value again"
    )]
    UnknownKey(String),
    #[error(
        "it was sealed for the key {0}, but for another pod, kind or name, or was damaged since. Write the value again"
    )]
    NotForHere(String),
    #[error("what is sealed in it for the key {0} is not text, or holds a NUL byte. Write the value again")]
    NotText(String),
    #[error("it begins with \"{PREFIX}\" and is not {PREFIX}<key id>:<base64>. Write the value again, plain or sealed")]
    Malformed,
}

pub(super) fn seal(public: &PublicKey, key_id: &str, place: &Place<'_>, value: &str) -> String {
    let sealed = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem>(
        &OpModeS::Base,
        public,
        &[],
        value.as_bytes(),
        &place.associated_data(),
    );
    // The public key belongs to a private key, so it is not a point of low order; and no text has 2^36 bytes.
    let (encapsulated, ciphertext) = sealed.expect("a value that is no longer than AES-GCM takes");
    format!("{PREFIX}{key_id}:{}", STANDARD.encode([&encapsulated.to_bytes()[..], &ciphertext].concat()))
}

/// A value that is sealed, taken apart.
pub(super) struct Sealed<'a> {
    pub(super) key_id: &'a str,
    /// The encapsulated key and the ciphertext.
    bytes: Vec<u8>,
}

impl<'a> Sealed<'a> {
    /// `None` where the value is plain.
    pub(super) fn parse(stored: &'a str) -> Result<Option<Self>, OpenError> {
        let Some(rest) = stored.strip_prefix(PREFIX) else { return Ok(None) };
        let (key_id, base64) = rest.split_once(':').ok_or(OpenError::Malformed)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if key_id.len() != KEY_ID_LENGTH || !key_id.bytes().all(is_hex) {
            return Err(OpenError::Malformed);
        }
        let bytes = STANDARD.decode(base64).map_err(|_| OpenError::Malformed)?;
        if bytes.len() < KEY_BYTES { Err(OpenError::Malformed) } else { Ok(Some(Self { key_id, bytes })) }
    }

    pub(super) fn open(&self, key: &PrivateKey, place: &Place<'_>) -> Result<SecretString, OpenError> {
        let not_for_here = || OpenError::NotForHere(self.key_id.to_owned());
        let (encapsulated, ciphertext) = self.bytes.split_at(KEY_BYTES);
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| not_for_here())?;
        let opened = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
            &OpModeR::Base,
            key,
            &encapsulated,
            &[],
            ciphertext,
            &place.associated_data(),
        );
        // A sealed value may hold what PostgreSQL refuses in a plain one, such as a NUL.
        let not_text = |mut bytes: Vec<u8>| {
            bytes.zeroize();
            OpenError::NotText(self.key_id.to_owned())
        };
        let text = String::from_utf8(opened.map_err(|_| not_for_here())?);
        let text = Zeroizing::new(text.map_err(|error| not_text(error.into_bytes()))?);
        if text.contains('\0') { Err(OpenError::NotText(self.key_id.to_owned())) } else { Ok(text.as_str().into()) }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::secrets::{Keyring, SealingKey};

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const PLACE: Place<'_> = Place { pod_id: "pod_2xYqF1uL8sJ0cVbN4mKpW7rTzAe", kind: "env", name: "API_TOKEN" };
    /// Sealed by pyhpke 0.6.5, which is built on Python's cryptography, for the public key of [`KEY`].
    const SEALED_ELSEWHERE: &str =
        "hpke:v1:eedd883da0a94515:VLASG1Tjn9EFzINfzOhWcg1KpHbk8mj1KQvBKEdo0TOBNsgbpt18CAXFKsn14GlSDPgC1Jbu1SIeE+t2DKnT";
    /// The same by @hpke/core 1.9.0, as docs/secrets.md has it.
    const SEALED_BY_AN_APP: &str =
        "hpke:v1:eedd883da0a94515:mS7bmNEBvqRXoBgjl93owm+1wqhS6h8GneKHFeVgGzuWXZ0NDY4u4mWCJAjrAK0cvm1nYTAlWXoBZUdLrJMD";
    const NOTHING_SEALED_ELSEWHERE: &str =
        "hpke:v1:eedd883da0a94515:SiGz3icPjenN1NpdGNxhCLxULDdmIDyoaP3mULwdpSRArmjTuPukMTolalcGo80T";

    fn key() -> SealingKey {
        SealingKey::parse(KEY).unwrap()
    }

    fn other_key() -> SealingKey {
        SealingKey::parse(&"ab".repeat(KEY_BYTES)).unwrap()
    }

    fn keys() -> Keyring {
        Keyring::new(Some(key()), Vec::new())
    }

    fn opened(keys: &Keyring, place: &Place<'_>, stored: &str) -> Result<String, OpenError> {
        keys.open(place, stored).map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn what_is_sealed_opens_again() {
        for value in ["", "a", "tök-0123456789", "hpke:v1:", "line\nline\n", &"x".repeat(1024 * 1024)] {
            let sealed = key().seal(&PLACE, value);
            assert!(value.len() < 8 || !sealed.contains(&value[..8]) || value.starts_with(PREFIX));
            assert_eq!(opened(&keys(), &PLACE, &sealed).as_deref(), Ok(value));
        }
        assert_ne!(
            key().seal(&PLACE, "a"),
            key().seal(&PLACE, "a"),
            "two sealed values do not show that their texts are the same"
        );
    }

    #[test]
    fn what_another_implementation_sealed_opens() {
        for sealed in [SEALED_ELSEWHERE, SEALED_BY_AN_APP] {
            assert_eq!(opened(&keys(), &PLACE, sealed).as_deref(), Ok("tök-0123456789"));
        }
        let place = Place { kind: "deploy_key", name: "", ..PLACE };
        assert_eq!(opened(&keys(), &place, NOTHING_SEALED_ELSEWHERE).as_deref(), Ok(""));
    }

    #[test]
    fn a_value_that_was_moved_opens_nowhere() {
        let not_for_here = Err(OpenError::NotForHere(key().id().to_owned()));
        for place in [
            Place { pod_id: "pod_other", ..PLACE },
            Place { kind: "deploy_key", ..PLACE },
            Place { name: "API_TOKEN2", ..PLACE },
            Place { name: "", ..PLACE },
        ] {
            assert_eq!(opened(&keys(), &place, SEALED_ELSEWHERE), not_for_here, "{place:?}");
        }
        let (a, b) = (Place { kind: "env", name: "x", ..PLACE }, Place { kind: "en", name: "vx", ..PLACE });
        assert_eq!(
            opened(&keys(), &b, &key().seal(&a, "1")),
            not_for_here,
            "where one ends and the next begins counts"
        );
    }

    #[test]
    fn a_value_that_was_damaged_is_no_plain_one() {
        let (head, base64) = SEALED_ELSEWHERE.rsplit_once(':').unwrap();
        let bytes = STANDARD.decode(base64).unwrap();
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            let damaged = format!("{head}:{}", STANDARD.encode(damaged));
            assert!(opened(&keys(), &PLACE, &damaged).is_err(), "byte {index}");
        }
        for length in 0..bytes.len() {
            let cut = format!("{head}:{}", STANDARD.encode(&bytes[..length]));
            assert!(opened(&keys(), &PLACE, &cut).is_err(), "{length} bytes");
        }
        for malformed in [
            PREFIX,
            "hpke:v1:a",
            "hpke:v1::",
            "hpke:v1:eedd883da0a94515:",
            "hpke:v1:eedd883da0a94515:#",
            "hpke:v1:EEDD883DA0A94515:AAAA",
            "hpke:v1:my-secret-value",
        ] {
            let error = opened(&keys(), &PLACE, malformed).unwrap_err();
            assert_eq!(error, OpenError::Malformed, "{malformed}");
            assert!(!error.to_string().contains("my-secret-value"));
        }
        // A point of low order: what is sealed for it can be opened by anyone.
        let low_order = format!("{head}:{}", STANDARD.encode([&[0; KEY_BYTES][..], &bytes[KEY_BYTES..]].concat()));
        assert!(opened(&keys(), &PLACE, &low_order).is_err());
    }

    #[test]
    fn each_key_opens_what_was_sealed_for_it() {
        let sealed = other_key().seal(&PLACE, "a");
        assert_eq!(opened(&keys(), &PLACE, &sealed), Err(OpenError::UnknownKey(other_key().id().to_owned())));
        assert_eq!(opened(&Keyring::default(), &PLACE, &sealed), Err(OpenError::NoKey(other_key().id().to_owned())));
        let with_fallback = Keyring::new(Some(key()), vec![other_key()]);
        assert_eq!(opened(&with_fallback, &PLACE, &sealed).as_deref(), Ok("a"));
        // A value that claims to be sealed for another key than it is.
        let claims = sealed.replace(other_key().id(), key().id());
        assert_eq!(opened(&with_fallback, &PLACE, &claims), Err(OpenError::NotForHere(key().id().to_owned())));
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        for value in ["", "a", "hpke:v2:x", " hpke:v1:x", "HPKE:V1:x"] {
            assert_eq!(opened(&keys(), &PLACE, value).as_deref(), Ok(value));
            assert_eq!(opened(&Keyring::default(), &PLACE, value).as_deref(), Ok(value));
        }
    }

    #[test]
    fn what_no_variable_can_hold_is_refused() {
        let sealed = key().seal(&PLACE, "a\0b");
        assert_eq!(opened(&keys(), &PLACE, &sealed), Err(OpenError::NotText(key().id().to_owned())));
    }
}
