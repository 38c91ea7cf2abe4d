//! Makes text that others wrote safe for an operator's terminal. Colours are kept; every other escape sequence (moving
//! the cursor, setting the title, writing to the clipboard, making the terminal reply) is removed.

/// Resets all colours.
pub const RESET: &str = "\u{1b}[0m";
pub const BOLD: &str = "\u{1b}[1m";
pub const DIM: &str = "\u{1b}[2m";
pub const RED: &str = "\u{1b}[31m";
pub const GREEN: &str = "\u{1b}[32m";

const ESC: char = '\u{1b}';
const BEL: char = '\u{7}';
/// Longer than any colour's parameters; a longer sequence is dropped.
const MAX_PARAMETERS: usize = 64;

/// The position within an escape sequence. The forms are those of ECMA-48.
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// A control sequence, with its parameters so far.
    Control(String),
    /// A string for the terminal itself, such as a title.
    Str,
    StrEscape,
}

/// Cleans one stream of text that comes in pieces, which may be cut anywhere.
#[derive(Debug, Default)]
pub struct Sanitizer {
    state: State,
    colours: bool,
    coloured: bool,
}

impl Sanitizer {
    pub fn new(colours: bool) -> Self {
        Self { colours, ..Self::default() }
    }

    pub fn push(&mut self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for c in text.chars() {
            self.take(c, &mut clean);
        }
        clean
    }

    /// Returns what resets the stream's colours, if it had any.
    pub fn finish(self) -> &'static str {
        if self.coloured { RESET } else { "" }
    }

    fn take(&mut self, c: char, clean: &mut String) {
        match (&mut self.state, c) {
            (State::StrEscape, '\\') | (State::Str, BEL | '\u{9c}') => self.state = State::Text,
            (State::Str, ESC) => self.state = State::StrEscape,
            // After ESC may come the first bytes of a sequence such as the choice of a character set.
            (_, ESC) | (State::Escape | State::StrEscape, ' '..='/') => self.state = State::Escape,
            // A string that never ends must not swallow the rest of a log.
            (State::Str, c) if c != '\n' => {}
            (State::Escape | State::StrEscape, '[') | (State::Text, '\u{9b}') => {
                self.state = State::Control(String::new());
            }
            (State::Escape | State::StrEscape, ']' | 'P' | 'X' | '^' | '_')
            | (State::Text, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => self.state = State::Str,
            (State::Escape | State::StrEscape, '0'..='~') => self.state = State::Text,
            (State::Control(parameters), ' '..='?') => {
                if parameters.len() < MAX_PARAMETERS {
                    parameters.push(c);
                }
            }
            (State::Control(parameters), '@'..='~') => {
                let is_colour = c == 'm'
                    && parameters.len() < MAX_PARAMETERS
                    && parameters.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':');
                if is_colour && self.colours {
                    clean.extend(["\u{1b}[", parameters, "m"]);
                    self.coloured = true;
                }
                self.state = State::Text;
            }
            (_, c) => {
                self.state = State::Text;
                if !c.is_control() || matches!(c, '\n' | '\r' | '\t') {
                    clean.push(c);
                }
            }
        }
    }
}

/// Cleans a whole text.
pub fn clean(text: &str, colours: bool) -> String {
    let mut sanitizer = Sanitizer::new(colours);
    let mut clean = sanitizer.push(text);
    clean.push_str(sanitizer.finish());
    clean
}

/// Cleans a text into one line without colours, for a cell of a table.
pub fn one_line(text: &str) -> String {
    clean(text, false).replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_pass_and_all_else_is_dropped() {
        let red = "\u{1b}[1;38:5:1mred\u{1b}[m\n";
        assert_eq!(clean(red, true), format!("{red}{RESET}"));
        assert_eq!(clean(red, false), "red\n");
        for harmful in [
            "\u{1b}[2J",                // clears the screen
            "\u{1b}[6n",                // makes the terminal reply, as if typed
            "\u{1b}]0;title\u{7}",      // sets the title
            "\u{1b}]52;c;Zm9v\u{1b}\\", // writes to the clipboard
            "\u{1b}P$q\"p\u{9c}",
            "\u{9b}2J",
            "\u{9d}0;title\u{9c}",
            "\u{1b}(0",
            "\u{1b}c",
            "\u{1b}[>4;2m", // no colour: how keys are sent
            "\u{8}\u{7f}\u{0}",
        ] {
            assert_eq!(clean(&format!("a{harmful}b\r\n\tc"), true), "ab\r\n\tc", "{harmful:?}");
        }
    }

    #[test]
    fn a_sequence_that_never_ends_does_not_swallow_the_next_line() {
        assert_eq!(clean("a\u{1b}]0;tit\nb\u{1b}[12\nc\u{1b}\nd", true), "a\nb\nc\nd");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn pieces_are_cleaned_as_the_whole_is(text in "[a\u{1b}\u{9b}\u{9d}\\[\\]();0-2mJ\\\\\u{7}\n]{0,24}", at in 0_usize..24) {
            let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            let mut sanitizer = Sanitizer::new(true);
            let mut pieces = sanitizer.push(&text[..at]);
            pieces.push_str(&sanitizer.push(&text[at..]));
            pieces.push_str(sanitizer.finish());
            prop_assert_eq!(&pieces, &clean(&text, true));
            // Whatever escapes are left are colours.
            for rest in pieces.split(ESC).skip(1) {
                let end = rest.find('m').unwrap();
                prop_assert!(rest[1..end].chars().all(|c| c.is_ascii_digit() || c == ';'), "{:?}", pieces);
            }
        }
    }
}
