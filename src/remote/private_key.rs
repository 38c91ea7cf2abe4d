//! Private SSH keys as people paste them: out of a file, a form, a `.env` or a secret store, each of which does something
//! else to the ends of lines.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};

/// As OpenSSH writes them.
const LINE: usize = 70;
/// What stands between BEGIN and END for the kinds of keys that OpenSSH reads.
const PRIVATE: [&str; 4] = ["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"];
/// What the inside of OpenSSH's own form begins with; the name of a cipher, with its length, comes after it.
const MAGIC: &[u8] = b"openssh-key-v1\0";
const PUBLIC: [&str; 5] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2 PUBLIC KEY"];

/// Why a text is no key that can be used. No word of it is a word of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrivateKey {
    #[error("is empty; paste the private key, from -----BEGIN to the END line")]
    Empty,
    #[error("is a public key; paste the private key that belongs to it")]
    Public,
    #[error("has a passphrase, which a worker cannot type; remove it by `ssh-keygen -p`, or make a key without one")]
    Encrypted,
    #[error("is in PuTTY's format; export it as an OpenSSH key (`puttygen KEY -O private-openssh`)")]
    Putty,
    #[error("is a DSA key, which OpenSSH takes no more; make one by `ssh-keygen -t ed25519`")]
    Dsa,
    #[error("is a certificate or another thing than a key; paste the private key")]
    Another,
    #[error("is cut off or damaged; paste all of it, from -----BEGIN to the END line")]
    Damaged,
    #[error("is no private key; paste one, from -----BEGIN to the END line")]
    Nothing,
}

/// The key as OpenSSH writes it: with the ends of lines, and the last of them, that it insists on.
///
/// # Errors
/// The text is no private key, or one that can't be used.
pub fn read(text: &str) -> Result<String, NotAPrivateKey> {
    let text = text.trim().trim_matches(['"', '\'']);
    // What a line of a settings file has for the end of a line.
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(NotAPrivateKey::Empty);
    }
    if PUBLIC.iter().any(|start| text.starts_with(start)) {
        return Err(NotAPrivateKey::Public);
    }
    if text.starts_with("PuTTY-User-Key-File") {
        return Err(NotAPrivateKey::Putty);
    }
    let Some(label) = between(text, "-----BEGIN ", "-----") else {
        // As a whole in base64, which has no line that could be lost.
        let inner = STANDARD.decode(packed(text)).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return inner
            .filter(|inner| inner.contains("-----BEGIN "))
            .map_or(Err(NotAPrivateKey::Nothing), |inner| read(&inner));
    };
    let kind = &text[label.clone()];
    if kind.ends_with("PUBLIC KEY") {
        return Err(NotAPrivateKey::Public);
    }
    match kind {
        "ENCRYPTED PRIVATE KEY" => return Err(NotAPrivateKey::Encrypted),
        "DSA PRIVATE KEY" => return Err(NotAPrivateKey::Dsa),
        kind if !PRIVATE.contains(&kind) => return Err(NotAPrivateKey::Another),
        _ => {}
    }
    let after = &text[label.end + "-----".len()..];
    let body = after.find(&format!("-----END {kind}-----")).map(|end| &after[..end]).ok_or(NotAPrivateKey::Damaged)?;
    if body.contains("ENCRYPTED") {
        return Err(NotAPrivateKey::Encrypted);
    }
    let body = packed(body);
    let bytes = STANDARD.decode(&body).map_err(|_| NotAPrivateKey::Damaged)?;
    if kind == PRIVATE[0] {
        let cipher = bytes.strip_prefix(MAGIC).and_then(|rest| rest.get(4..)).ok_or(NotAPrivateKey::Damaged)?;
        if !cipher.starts_with(b"none") {
            return Err(NotAPrivateKey::Encrypted);
        }
    }
    let mut key = format!("-----BEGIN {kind}-----\n");
    for line in body.as_bytes().chunks(LINE) {
        key.extend([&*String::from_utf8_lossy(line), "\n"]);
    }
    key.extend(["-----END ", kind, "-----\n"]);
    Ok(key)
}

fn between(text: &str, before: &str, after: &str) -> Option<Range<usize>> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(start..start + length)
}

/// Without white space.
fn packed(text: &str) -> String {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The outside of a key in OpenSSH's own form; it is of no use for a login.
    fn key(cipher: &str) -> String {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(4_u32.to_be_bytes());
        bytes.extend(cipher.as_bytes());
        bytes.extend([7; 200]);
        let body = STANDARD.encode(bytes);
        let lines: Vec<&str> = body.as_bytes().chunks(LINE).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let (begin, end) = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----");
        format!("{begin}\n{}\n{end}\n", lines.join("\n"))
    }

    #[test]
    fn each_common_form_is_the_same_key() {
        let key = key("none");
        let one_line = key.trim_end().replace('\n', "\\n");
        for form in [
            key.clone(),
            key.trim_end().to_owned(),
            key.replace('\n', "\r\n"),
            key.replace('\n', "\r"),
            one_line.clone(),
            one_line.replace("\\n", "\\r\\n"),
            format!("\"{one_line}\""),
            format!("'{one_line}\\n'"),
            key.trim_end().replace('\n', " "),
            key.replace('\n', "\n\n"),
            key.replace('\n', "  \n    "),
            key.trim_end().replace('\n', ""),
            STANDARD.encode(&key),
            format!("\u{feff}{key}"),
        ] {
            assert_eq!(read(&form), Ok(key.clone()), "{form}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_for_what_it_is() {
        use NotAPrivateKey::{Another, Damaged, Dsa, Empty, Encrypted, Nothing, Public, Putty};
        let cut = key("none");
        for (text, reason) in [
            (" \n", Empty),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here", Public),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", Public),
            (&key("aes2"), Encrypted),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", Encrypted),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n-----END RSA PRIVATE KEY-----",
                Encrypted,
            ),
            ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none", Putty),
            ("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----", Dsa),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", Another),
            (&cut[..cut.len() / 2], Damaged),
            ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----", Damaged),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", Damaged),
            ("~/.ssh/id_ed25519", Nothing),
        ] {
            assert_eq!(read(text), Err(reason), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(-----BEGIN |OPENSSH PRIVATE KEY-----|\\\\n|-----END |[A-Za-z=+ \n\"é-]){0,12}") {
            if let Ok(key) = read(&text) {
                prop_assert_eq!(read(&key), Ok(key.clone()));
            }
        }
    }
}
