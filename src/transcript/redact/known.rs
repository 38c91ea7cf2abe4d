//! Finds the secrets that are known by their value, with an Aho–Corasick automaton.
//!
//! The automaton is walked by hand, one byte at a time, for two reasons. The crate's own searches
//! pick one of several overlapping matches and leave the rest of the other one readable; here all
//! are hidden. And the state says how many of the last bytes could still become a secret, so that
//! exactly those are held back.

use std::{ops::Range, sync::Arc};

use aho_corasick::{
    Anchored,
    automaton::{Automaton, StateID},
    nfa::contiguous::NFA,
};

/// How many characters a line of a secret of several lines must have to be hidden on its own;
/// shorter ones, such as a brace, are in every output.
const MIN_LINE: usize = 8;

/// The searchable form of a set of secrets.
pub(super) enum Known {
    Nothing,
    Values(Box<Values>),
    /// The secrets are too many to search for (billions of bytes): all output is hidden.
    Everything,
}

pub(super) struct Values {
    nfa: NFA,
    start: StateID,
    /// Whether some secret begins with this byte.
    begins: [bool; 256],
    /// For each state of the automaton, how many of the last bytes read are the beginning of a
    /// longer secret.
    undecided: PerState,
}

impl Known {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns: Vec<String> = secrets.into_iter().flat_map(spellings).collect();
        // Shorter ones first, as `Values::new` needs it.
        patterns.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        patterns.dedup();
        if patterns.is_empty() {
            return Self::Nothing;
        }
        Values::new(&patterns).map_or(Self::Everything, |values| Self::Values(Box::new(values)))
    }
}

/// The forms in which a secret may appear: as it is, also with mixed line ends; with the line ends of a file, of a
/// terminal and of a quoted string; and each long line of it alone.
fn spellings(secret: &str) -> Vec<String> {
    let secret = secret.trim();
    let lines: Vec<&str> = secret.lines().collect();
    let mut spellings = vec![secret.to_owned()];
    if lines.len() > 1 {
        spellings.extend([lines.join("\n"), lines.join("\r\n"), lines.join("\\n")]);
        let lines = lines.iter().map(|line| line.trim());
        let long = lines.filter(|line| line.chars().count() >= MIN_LINE);
        spellings.extend(long.map(str::to_owned));
    }
    spellings.retain(|text| !text.is_empty());
    spellings
}

impl Values {
    /// Takes patterns in the order of their length.
    fn new(patterns: &[String]) -> Option<Self> {
        let nfa = NFA::builder().prefilter(false).build(patterns).ok()?;
        let start = nfa.start_state(Anchored::No).ok()?;
        let step = |state, byte: &u8| nfa.next_state(Anchored::No, state, *byte);
        let mut begins = [false; 256];
        let mut undecided = PerState::default();
        for pattern in patterns {
            let (bytes, mut state) = (pattern.as_bytes(), start);
            begins[usize::from(bytes[0])] = true;
            for length in 1..bytes.len() {
                state = step(state, &bytes[length - 1]);
                undecided.set(state, length);
            }
        }
        // At the end of a secret that begins no longer one, as much is undecided as without its first byte; that text
        // is shorter, so its number is set already.
        for bytes in patterns.iter().map(String::as_bytes) {
            let end = bytes.iter().fold(start, step);
            if undecided.get(end) == 0 {
                let without_first = bytes[1..].iter().fold(start, step);
                undecided.set(end, undecided.get(without_first));
            }
        }
        Some(Self { nfa, start, begins, undecided })
    }

    /// The length of the longest secret that ends in this state.
    fn longest_match(&self, state: StateID) -> Option<usize> {
        if !self.nfa.is_match(state) {
            return None;
        }
        let patterns = 0..self.nfa.match_len(state);
        patterns.map(|index| self.nfa.pattern_len(self.nfa.match_pattern(state, index))).max()
    }
}

/// A number for each state of the automaton, zero unless set.
#[derive(Default)]
struct PerState(Vec<usize>);

impl PerState {
    fn get(&self, state: StateID) -> usize {
        self.0.get(state.as_usize()).copied().unwrap_or(0)
    }

    fn set(&mut self, state: StateID, value: usize) {
        if self.0.len() <= state.as_usize() {
            self.0.resize(state.as_usize() + 1, 0);
        }
        self.0[state.as_usize()] = value;
    }
}

/// The search through one stream.
pub(super) struct Scan {
    known: Arc<Known>,
    state: StateID,
    undecided_from: Option<usize>,
}

impl Scan {
    pub(super) fn new(known: Arc<Known>) -> Self {
        let state = match &*known {
            Known::Values(values) => values.start,
            Known::Nothing | Known::Everything => StateID::default(),
        };
        Self { known, state, undecided_from: None }
    }

    /// Reads the bytes that stand at this place of the stream, and adds what is to be hidden.
    pub(super) fn feed(&mut self, chunk: &[u8], at: usize, hidden: &mut Vec<Range<usize>>) {
        let values = match &*self.known {
            Known::Nothing => return,
            Known::Everything => return hidden.push(at..at + chunk.len()),
            Known::Values(values) => values,
        };
        let mut found: Option<Range<usize>> = None;
        let mut index = 0;
        while let Some(byte) = chunk.get(index) {
            if self.state == values.start && !values.begins[usize::from(*byte)] {
                index += 1;
                continue;
            }
            index += 1;
            self.state = values.nfa.next_state(Anchored::No, self.state, *byte);
            if let Some(length) = values.longest_match(self.state) {
                let end = at + index;
                let start = end - length;
                // A secret that repeats itself may end at every byte; those are one stretch.
                match &mut found {
                    Some(last) if start <= last.end => *last = last.start.min(start)..end,
                    _ => hidden.extend(found.replace(start..end)),
                }
            }
        }
        hidden.extend(found);
        let undecided = values.undecided.get(self.state);
        self.undecided_from = (undecided > 0).then(|| at + chunk.len() - undecided);
    }

    /// From where on the bytes read so far may still become a secret.
    pub(super) fn undecided_from(&self) -> Option<usize> {
        self.undecided_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are undecided after each byte of the text.
    fn undecided(secrets: &[&str], text: &str) -> Vec<usize> {
        let known = Known::new(secrets.iter().copied());
        let mut scan = Scan::new(Arc::new(known));
        let read = |(at, byte): (usize, &u8)| {
            scan.feed(&[*byte], at, &mut Vec::new());
            scan.undecided_from().map_or(0, |from| at + 1 - from)
        };
        text.as_bytes().iter().enumerate().map(read).collect()
    }

    #[test]
    fn only_what_can_become_a_secret_is_undecided() {
        assert_eq!(undecided(&["abcd"], "xabxabcd"), [0, 1, 2, 0, 1, 2, 3, 0]);
        // The end of a secret may be the beginning of another, or of itself.
        assert_eq!(undecided(&["abca"], "abcabca"), [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(undecided(&["ab", "abcd"], "abcx"), [1, 2, 3, 0]);
        assert_eq!(undecided(&["abcd", "cdefg"], "abcd"), [1, 2, 3, 2]);
        assert_eq!(undecided(&[], "abcd"), [0; 4]);
    }

    #[test]
    fn lines_of_a_long_secret_are_secrets_too() {
        assert_eq!(spellings(" one line\n"), ["one line"]);
        assert_eq!(
            spellings("{\r\n  first line\n}\n"),
            [
                "{\r\n  first line\n}",
                "{\n  first line\n}",
                "{\r\n  first line\r\n}",
                "{\\n  first line\\n}",
                "first line"
            ]
        );
        assert_eq!(spellings(" \n"), [""; 0]);
    }
}
