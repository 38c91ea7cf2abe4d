//! Finds private keys in PEM by their first and last lines; they need not be known in advance.
//!
//! From the first line of a key on, everything is hidden and nothing is buffered, up to the last line or, where there
//! is none, to the end of the output.

use std::ops::Range;

use super::find::find;

const DASHES: &[u8] = b"-----";
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// The labels of private keys end in one of these; the second is that of PGP.
const LABELS: [&[u8]; 2] = [b"PRIVATE KEY", b"PRIVATE KEY BLOCK"];

/// The longest label that is believed to be one, in bytes. It bounds what is held back.
const MAX_LABEL: usize = 64;

/// The search through one stream.
#[derive(Default)]
pub(super) struct Scan {
    in_key: bool,
    /// The last bytes read, if they may be the beginning of a first or last line.
    partial: Vec<u8>,
    undecided_from: Option<usize>,
}

impl Scan {
    /// Reads the bytes that stand at this place of the stream, and adds what is to be hidden.
    pub(super) fn feed(&mut self, chunk: &[u8], at: usize, hidden: &mut Vec<Range<usize>>) {
        let base = at - self.partial.len();
        let joined = [&*std::mem::take(&mut self.partial), chunk];
        let joined = if base == at { None } else { Some(joined.concat()) };
        let bytes = joined.as_deref().unwrap_or(chunk);
        self.undecided_from = None;
        let (mut index, mut key_from) = (0, base);
        while let Some(skipped) = find(&bytes[index..], b'-') {
            index += skipped;
            match line(&bytes[index..], if self.in_key { END } else { BEGIN }) {
                Line::No => index += 1,
                Line::Partial => {
                    self.partial = bytes[index..].to_vec();
                    self.undecided_from = (!self.in_key).then_some(base + index);
                    break;
                }
                Line::Yes(length) => {
                    if self.in_key {
                        hidden.push(key_from..base + index + length);
                    } else {
                        key_from = base + index;
                    }
                    self.in_key = !self.in_key;
                    index += length;
                }
            }
        }
        if self.in_key {
            hidden.push(key_from..base + bytes.len());
        }
    }

    /// From where on the bytes read so far may still become the first line of a key.
    pub(super) fn undecided_from(&self) -> Option<usize> {
        self.undecided_from
    }
}

enum Line {
    No,
    /// The bytes may be the beginning of one.
    Partial,
    /// A line of this many bytes.
    Yes(usize),
}

/// Whether the bytes begin with the first or the last line of a private key.
fn line(bytes: &[u8], opening: &[u8]) -> Line {
    let Some(rest) = bytes.strip_prefix(opening) else {
        return if opening.starts_with(bytes) { Line::Partial } else { Line::No };
    };
    let in_label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let length = rest.iter().take_while(|byte| in_label(byte)).count();
    let (label, closing) = rest.split_at(length);
    if length > MAX_LABEL {
        return Line::No;
    }
    if closing.is_empty() {
        return Line::Partial;
    }
    if !LABELS.iter().any(|end| label.ends_with(end)) {
        return Line::No;
    }
    if closing.starts_with(DASHES) {
        return Line::Yes(opening.len() + length + DASHES.len());
    }
    if DASHES.starts_with(closing) { Line::Partial } else { Line::No }
}

#[cfg(test)]
mod tests {
    use crate::transcript::redact::Redactor;

    fn redacted(text: &str) -> String {
        Redactor::new([]).text(text)
    }

    #[test]
    fn a_key_is_hidden_from_its_first_to_its_last_line() {
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
            let text = format!("a\n-----BEGIN {label}-----\nMII-x\n\n-----END {label}-----\nb");
            assert_eq!(redacted(&text), "a\n[redacted]\nb");
        }
        assert_eq!(redacted("x------BEGIN PRIVATE KEY-----\nMII"), "x-[redacted]");
    }

    #[test]
    fn what_is_public_stays() {
        let text = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";
        assert_eq!(redacted(text), text);
        let text = format!("-----BEGIN {} PRIVATE KEY----- -----BEGIN PRIVATE KEY----", "X".repeat(64));
        assert_eq!(redacted(&text), text);
    }

    #[test]
    fn the_end_of_something_else_is_not_the_end_of_the_key() {
        let text = "-----BEGIN PRIVATE KEY-----\n-----END CERTIFICATE-----\nMII";
        assert_eq!(redacted(text), "[redacted]");
    }

    #[test]
    fn nothing_of_a_key_is_kept_and_dashes_are_shown() {
        let mut stream = Redactor::new([]).stream();
        assert_eq!(stream.push(b"== --"), b"== ");
        assert_eq!(stream.push(b"--------"), b"-----");
        assert_eq!(stream.push(b"BEGIN RSA PRIVATE KEY"), b"");
        assert_eq!(stream.push(b"-----"), b"[redacted]");
        assert_eq!(stream.push(&vec![b'M'; 100_000]), b"");
        assert_eq!(stream.held.len(), 0);
        assert_eq!(stream.push(b"-----END RSA PRIVATE KEY-----\nok"), b"\nok");
    }
}
