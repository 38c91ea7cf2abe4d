//! A stream of output on its way into the log: redacted, captured, and stored update by update.
//!
//! The input: a line `LIMIT` or `LIMIT long` (how much is kept, in bytes; `long` repeats the output), the secrets with
//! an empty line between each two, `===`, and the output, which `|` cuts into pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pinacle_fuzz::{are_in_order, pieces, two_parts};
use pinacle_worker::{
    model::Update,
    transcript::{
        capture::Capture,
        redact::{MARK, Redactor},
    },
};

/// A log must not contain a secret of this many characters or more.
const SECRET: usize = 8;
const MAX_SECRETS: usize = 16;
/// A long output, in bytes: longer than the tail's buffer, so that the buffer is trimmed.
const LONG_OUTPUT: usize = 144 * 1024;
/// How many updates of a long output are checked.
const MOST_UPDATES: usize = 64;
/// How much may be kept, in bytes.
const LIMITS: std::ops::RangeInclusive<usize> = 16..=8 * 1024;
/// The longest line that marks a cut, in bytes.
const CUT_LINE: usize = 48;

/// The forms of a secret that must not be visible: the secret itself, and each of its long lines.
fn forms(secret: &str) -> Vec<&str> {
    let lines = secret.lines().map(str::trim);
    // Our own signs for what cannot be stored, and a mark that is cut in two, may look like a secret that was not
    // printed.
    let is_ours = |form: &str| form.contains(['\u{FFFD}', '\u{2400}', '\0', '[', ']']) || MARK.contains(form);
    let long = |form: &&str| form.chars().count() >= SECRET && !is_ours(form);
    [secret.trim()].into_iter().chain(lines).filter(long).collect()
}

/// The visible parts: between the marks, and beside the cut.
fn shown(stored: &str) -> impl Iterator<Item = &str> {
    stored.split(MARK).flat_map(|part| part.split("\n[… ")).flat_map(|part| part.split(" bytes cut …]\n"))
}

fuzz_target!(|input: &[u8]| {
    let at = input.windows(5).position(|window| window == b"\n===\n").map_or(0, |at| at + 5);
    let (head, output) = input.split_at(at);
    let head = String::from_utf8_lossy(head);
    let (head, _) = two_parts(&head);
    let (first, secrets) = head.split_once('\n').unwrap_or((head, ""));
    let (limit, length) = first.split_once(' ').unwrap_or((first, ""));
    let limit = limit.parse().unwrap_or(0).clamp(*LIMITS.start(), *LIMITS.end());
    let times = if length == "long" { 1 + LONG_OUTPUT / output.len().max(1) } else { 1 };
    let secrets: Vec<String> = secrets.split("\n\n").take(MAX_SECRETS).map(str::to_owned).collect();

    let redactor = Redactor::new(secrets.iter().cloned());
    let pieces = pieces(output);
    let pieces = || pieces.iter().copied().cycle().take(pieces.len() * times);

    let (mut redact, mut capture) = (redactor.stream(), Capture::new(limit));
    let (mut redacted, mut stored) = (Vec::new(), String::new());
    let mut store = |capture: &mut Capture| {
        match capture.unsent() {
            Some(Update::Append(text)) => stored.push_str(&text),
            Some(Update::Replace(text)) => stored = text,
            None => return,
        }
        assert!(stored.len() <= limit + CUT_LINE, "{} bytes of {limit}", stored.len());
        for form in secrets.iter().flat_map(|secret| forms(secret)) {
            assert!(!shown(&stored).any(|part| part.contains(form)), "{form:?} is stored: {stored:?}");
        }
    };
    let pause = 1 + pieces().count() / MOST_UPDATES;
    for (at, piece) in pieces().enumerate() {
        let text = redact.push(piece);
        capture.push(&text);
        redacted.extend(text);
        if at % pause == 0 {
            store(&mut capture);
        }
    }
    let text = redact.finish();
    capture.push(&text);
    redacted.extend(text);
    capture.finish();
    store(&mut capture);
    assert_eq!(stored, capture.text(), "the stored output differs from the captured one");
    assert!(capture.kept() <= limit);

    if times > 1 {
        return;
    }
    let whole: Vec<u8> = pieces().flatten().copied().collect();
    let mut stream = redactor.stream();
    let at_once = [stream.push(&whole), stream.finish()].concat();
    assert!(redacted == at_once, "the result depends on where the stream was cut");
    if let Ok(redacted) = std::str::from_utf8(&redacted) {
        let parts: Vec<&[u8]> = redacted.split(MARK).map(str::as_bytes).collect();
        assert!(are_in_order(&parts, &whole), "the log shows what was not printed");
    }
});
