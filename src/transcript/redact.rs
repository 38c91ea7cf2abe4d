//! Takes secrets out of what commands print, before anyone sees or stores it.
//!
//! Three things are hidden: the secrets that the worker knows, the credentials inside URLs,
//! and private keys, whichever program printed them. Each is looked for in the bytes as they were printed,
//! and whatever any of the three claims is hidden; so a secret that contains another, overlaps
//! one, or has a key inside, leaves nothing behind. What is hidden in one stretch becomes one
//! `[redacted]`.
//!
//! Output comes in chunks that are cut anywhere, also in the middle of a secret, and yet a prompt
//! or a progress bar's dot must be seen at once. So each search says from where on it cannot
//! decide yet, and only that is held back: the beginning of a known secret, a few KiB at most
//! after a `://`, or the first line of a key. What comes out in the end does not depend on where
//! the chunks were cut.
//!
//! Not hidden: a secret that a program changed before it printed it (encoded, escaped, or with
//! colours inside), and the beginning of one that the end of the output cut off.

mod find;
mod known;
mod pem;
mod url;

use std::{
    fmt,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use known::Known;

/// What stands where something was hidden.
pub const MARK: &str = "[redacted]";

/// Hides what is secret in text and in streams of output. Cheap to clone; what one clone learns, all know.
#[derive(Clone)]
pub struct Redactor(Arc<RwLock<Secrets>>);

struct Secrets {
    values: Vec<String>,
    known: Arc<Known>,
}

impl Secrets {
    fn new(values: Vec<String>) -> Self {
        let known = Arc::new(Known::new(values.iter().map(String::as_str)));
        Self { values, known }
    }
}

impl Redactor {
    /// A redactor that hides these values, and what is a secret by its form.
    ///
    /// White space around a value is not part of it, and empty ones are ignored. Each line of eight
    /// characters or more of a value of several lines is a secret by itself.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(RwLock::new(Secrets::new(secrets.into_iter().collect()))))
    }

    /// Hides these values, too, in streams that begin from now on.
    pub fn learn(&self, more: impl IntoIterator<Item = String>) {
        let values = self.values().into_iter().chain(more).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Secrets::new(values);
    }

    fn values(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values.clone()
    }

    /// The text without its secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut bytes = stream.push(text.as_bytes());
        bytes.extend(stream.finish());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The beginning of a new stream of output.
    #[must_use]
    pub fn stream(&self) -> RedactStream {
        RedactStream {
            known: known::Scan::new(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).known)),
            pem: pem::Scan::default(),
            url: url::Scan::default(),
            held: Vec::new(),
            shown: 0,
            hidden: Vec::new(),
            in_hidden: false,
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// One stream of output on its way through a [`Redactor`].
///
/// Places are counted in bytes from the beginning of the stream.
pub struct RedactStream {
    known: known::Scan,
    pem: pem::Scan,
    url: url::Scan,
    /// Bytes that are not decided yet.
    held: Vec<u8>,
    /// How far the stream is decided: the place of the first held byte.
    shown: usize,
    /// Stretches to hide that are not wholly shown yet; in no order, and they may overlap.
    hidden: Vec<Range<usize>>,
    /// The last decided byte was hidden, so the next one belongs to the same mark.
    in_hidden: bool,
}

impl RedactStream {
    /// Takes the next bytes of the stream and returns what can be shown now.
    #[must_use = "this is the output"]
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let at = self.shown + self.held.len();
        self.known.feed(chunk, at, &mut self.hidden);
        self.pem.feed(chunk, at, &mut self.hidden);
        self.url.feed(chunk, at, &mut self.hidden);
        let undecided = [self.known.undecided_from(), self.pem.undecided_from(), self.url.undecided_from()];
        let end = at + chunk.len();
        let until = undecided.into_iter().flatten().min().unwrap_or(end);
        self.held.extend_from_slice(chunk);
        self.show(until)
    }

    /// Ends the stream and returns the rest of what can be shown.
    #[must_use = "this is the end of the output"]
    pub fn finish(mut self) -> Vec<u8> {
        self.url.finish(&mut self.hidden);
        self.show(self.shown + self.held.len())
    }

    fn show(&mut self, until: usize) -> Vec<u8> {
        self.hidden.sort_unstable_by_key(|range| range.start);
        let base = self.shown;
        let mut out = Vec::with_capacity(until - base);
        let mut at = base;
        for range in &self.hidden {
            let (start, end) = (range.start.max(at), range.end.min(until));
            if start >= end {
                continue;
            }
            if start > at {
                out.extend_from_slice(&self.held[at - base..start - base]);
                self.in_hidden = false;
            }
            if !self.in_hidden {
                out.extend_from_slice(MARK.as_bytes());
                self.in_hidden = true;
            }
            at = end;
        }
        if at < until {
            out.extend_from_slice(&self.held[at - base..until - base]);
            self.in_hidden = false;
        }
        self.hidden.retain(|range| range.end > until);
        self.held.drain(..until - base);
        self.shown = until;
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().map(|&secret| secret.to_owned()))
    }

    /// What comes out in the end when the text comes in these pieces.
    fn in_pieces(redactor: &Redactor, text: &[u8], sizes: &[usize]) -> Vec<u8> {
        let (mut stream, mut rest, mut out) = (redactor.stream(), text, Vec::new());
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at(rest.len().min(*size));
            out.extend(stream.push(chunk));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        out.extend(stream.finish());
        out
    }

    #[test]
    fn every_occurrence_is_hidden() {
        let redactor = redactor(&["hunter22", "", "tiger", "tiger-king"]);
        assert_eq!(redactor.text("hunter22 tiger tiger-king"), "[redacted] [redacted] [redacted]");
        assert_eq!(redactor.text("tiger-kin hunter2"), "[redacted]-kin hunter2");
        assert_eq!(redactor.text("tigertiger"), "[redacted]");
        assert_eq!(redactor.text(""), "");
    }

    #[test]
    fn of_overlapping_secrets_nothing_is_left() {
        let redactor = redactor(&["abcdefgh", "efghijkl", "b"]);
        assert_eq!(redactor.text("xabcdefghijklx"), "x[redacted]x");
    }

    #[test]
    fn a_secret_is_hidden_in_a_url_and_around_a_key() {
        let key = r"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n";
        let json = &format!(r#"{{"id":"1234","key":"{key}"}}"#);
        let redactor = redactor(&[json, "pass word"]);
        assert_eq!(redactor.text(&format!("K={json}!")), "K=[redacted]!");
        assert_eq!(redactor.text("https://u:pass word@h"), "https://u:[redacted]@h");
        assert_eq!(redactor.text("https://pass word"), "https://[redacted]");
    }

    #[test]
    fn a_key_is_hidden_in_part_as_well() {
        let key = "-----BEGIN K-----\nb3BlbnNzaC1r\nZXktdjEA\nAA==\n-----END K-----\n";
        let redactor = redactor(&[key]);
        assert_eq!(redactor.text(&format!("{key}.")), "[redacted]\n.");
        assert_eq!(redactor.text(&key.replace('\n', "\r\n")), "[redacted]\r\n");
        assert_eq!(redactor.text("tail: ZXktdjEA\nAA=="), "tail: [redacted]\nAA==");
    }

    #[test]
    fn a_secret_whose_line_ends_differ_is_hidden_as_it_is() {
        let secret = "first1\r\nab\ncd1234";
        assert_eq!(redactor(&[secret]).text(&format!("({secret})")), "([redacted])");
    }

    #[test]
    fn what_is_not_suspicious_is_shown_at_once() {
        let redactor = redactor(&["hunter22"]);
        let mut stream = redactor.stream();
        for text in ["Installing ", ".", ".", ".", "Password: ", "[y/N] ", "\x1b[2K\r50 %", "x:", "\0\u{ff}"] {
            assert_eq!(stream.push(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(stream.push(b"hunter"), b"");
        assert_eq!(stream.push(b"2"), b"");
        assert_eq!(stream.push(b"2"), b"[redacted]");
        assert_eq!(stream.push(b"hunter"), b"");
        assert_eq!(stream.push(b"s"), b"hunters");
        assert_eq!(stream.push(b"the hunt"), b"the ");
        assert_eq!(stream.finish(), b"hunt");
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", redactor(&["hunter22"])), "Redactor { .. }");
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1024).collect();
        assert_eq!(in_pieces(&redactor(&["secret-1"]), &bytes, &[7]), bytes);
    }

    const SECRETS: [&str; 6] = ["hunter22", "22hunter", "aaab", "ab", "s3:cr@t", "line one\nline two\nx"];

    /// Output in which everything that matters is frequent, also in part.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let words = vec![
            "://",
            "@",
            ":",
            "/",
            "https://",
            "ssh://",
            "u:p@h",
            "git@",
            " ",
            "\n",
            "\"",
            "-",
            "-----",
            "-----BEGIN ",
            "-----END ",
            "RSA PRIVATE KEY",
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
        ];
        let cut = |(secret, from, length): (&str, usize, usize)| {
            let from = from.min(secret.len());
            secret.as_bytes()[from..secret.len().min(from + length)].to_vec()
        };
        let part = prop_oneof![
            6 => (prop::sample::select(&SECRETS[..]), 0..20_usize, 0..20_usize).prop_map(cut),
            8 => prop::sample::select(words).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => (4090..4100_usize).prop_map(|length| vec![b'x'; length]),
        ];
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            text in output(),
            sizes in prop::collection::vec(prop_oneof![1..9_usize, 1..9000_usize], 1..9),
        ) {
            let redactor = redactor(&SECRETS);
            let whole = in_pieces(&redactor, &text, &[usize::MAX]);
            prop_assert_eq!(in_pieces(&redactor, &text, &sizes), whole);
        }

        #[test]
        fn no_secret_comes_through_and_nothing_else_is_lost(text in "[ab2hunterx :/@-]{0,200}") {
            let redacted = redactor(&SECRETS).text(&text);
            for secret in SECRETS {
                prop_assert!(!redacted.contains(secret), "{secret} in {redacted}");
            }
            // What is left is what was there, in its order.
            let mut rest = &text[..];
            for part in redacted.split(MARK) {
                let at = rest.find(part);
                prop_assert!(at.is_some(), "{part} not in {rest}");
                rest = &rest[at.unwrap_or(0) + part.len()..];
            }
        }

        #[test]
        fn little_is_held_back(text in output(), size in 1..5000_usize) {
            let mut stream = redactor(&SECRETS).stream();
            for chunk in text.chunks(size) {
                let _ = stream.push(chunk);
                let held = stream.held.len();
                prop_assert!(held < url::MAX_TOKEN + 20, "{held} bytes");
            }
        }
    }
}
