//! How the targets read their inputs, so that a seed is a text that one can read and change.

/// Ends the first part of an input of two parts.
const RULE: &str = "\n===\n";

/// What stands before a line of `===`, and after it. Without one, all is the second part.
pub fn two_parts(input: &str) -> (&str, &str) {
    input.split_once(RULE).unwrap_or(("", input))
}

/// The pieces of a stream: each `|` is where one ends and the next begins.
pub fn pieces(stream: &[u8]) -> Vec<&[u8]> {
    stream.split(|&byte| byte == b'|').collect()
}

/// Lines as every reader of ours counts them.
pub fn count_lines(text: &str) -> usize {
    text.lines().count()
}

/// That `parts` stand in `whole` in this order, so that nothing was moved, doubled or made up.
pub fn are_in_order(parts: &[&[u8]], whole: &[u8]) -> bool {
    let mut rest = whole;
    parts.iter().all(|part| {
        let at = if part.is_empty() { Some(0) } else { rest.windows(part.len()).position(|window| window == *part) };
        at.inspect(|at| rest = &rest[at + part.len()..]).is_some()
    })
}

/// That every byte of `part` is in `whole`, in its order.
pub fn is_left_of(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|byte| rest.any(|other| other == byte))
}
