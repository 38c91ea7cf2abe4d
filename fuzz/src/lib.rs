//! How the targets read their inputs: a seed is a text that people can read and change.

/// Separates the two parts of an input.
const RULE: &str = "\n===\n";

/// Returns what is before a line of `===` and what is after it. Without that line, all of it is the second part.
pub fn two_parts(input: &str) -> (&str, &str) {
    input.split_once(RULE).unwrap_or(("", input))
}

/// Cuts a stream into pieces at each `|`.
pub fn pieces(stream: &[u8]) -> Vec<&[u8]> {
    stream.split(|&byte| byte == b'|').collect()
}

/// Counts lines as our readers do.
pub fn count_lines(text: &str) -> usize {
    text.lines().count()
}

/// Whether `parts` are in `whole` in this order, so that nothing was moved, doubled or made up.
pub fn are_in_order(parts: &[&[u8]], whole: &[u8]) -> bool {
    let mut rest = whole;
    parts.iter().all(|part| {
        let at = if part.is_empty() { Some(0) } else { rest.windows(part.len()).position(|window| window == *part) };
        at.inspect(|at| rest = &rest[at + part.len()..]).is_some()
    })
}

/// Whether every byte of `part` is in `whole`, in the same order.
pub fn is_left_of(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|byte| rest.any(|other| other == byte))
}
