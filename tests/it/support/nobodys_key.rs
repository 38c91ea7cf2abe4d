//! An SSH key that opens nothing and that no host shows: for servers that are not reached.

use russh::keys::{
    PrivateKey,
    ssh_key::{LineEnding, private::Ed25519Keypair},
};

/// Always the same.
fn key() -> PrivateKey {
    Ed25519Keypair::from_seed(&[7; 32]).into()
}

pub fn private() -> String {
    key().to_openssh(LineEnding::LF).unwrap().to_string()
}

pub fn public() -> String {
    key().public_key().to_openssh().unwrap()
}
