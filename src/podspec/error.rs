//! The errors of a config: what is wrong, and where.
//!
//! The sentence goes into `pods.last_error`, which people read and which is stored unencrypted. So it says what would
//! be right and never repeats a value that may be a secret: it names only the kind of a value of the wrong kind, and it
//! quotes, escapes and cuts names.

use serde_path_to_error::{Path, Segment};

/// How many characters of a name are quoted.
const QUOTED: usize = 64;

/// Why a pod's config cannot be used.
///
/// Shown as `pods.config ports[0].internal: 0 is not a port; use a number from 1 to 65535`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}{path}: {message}", if path.is_empty() { "" } else { " " })]
pub struct SpecError {
    /// `pods.config`, or the file whose values fill it in.
    pub origin: String,
    /// Where in the config, such as `ports[0].internal`; empty for the config as a whole.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub message: String,
}

impl SpecError {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: "pods.config".to_owned(), path: path.into(), message: message.into() }
    }

    /// The error of a config that the JSON reader can't read.
    pub fn unreadable(reason: &str) -> Self {
        Self::new(
            "",
            format!("it cannot be read ({reason}); write a smaller one, with less nesting and smaller numbers"),
        )
    }

    /// The same error, located in another file than the pod's config.
    pub(super) fn in_file(self, origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), ..self }
    }
}

/// The error of a name that is not among the known ones.
pub(super) fn no_such(path: impl Into<String>, kind: &str, name: &str, known: &[&str]) -> SpecError {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let name = quote(name);
    SpecError::new(path, format!("there is no {kind} named {name}; known {kind}s: {known}"))
}

/// A name in quotes, with everything unprintable escaped, and cut if it is very long.
pub(super) fn quote(name: &str) -> String {
    let mut shown: String = name.chars().take(QUOTED).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

impl From<serde_path_to_error::Error<serde_json::Error>> for SpecError {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = render(error.path());
        Self::new(path, sentence(&error.into_inner().to_string()))
    }
}

/// A path as one would write it in a program.
fn render(path: &Path) -> String {
    let mut parts = Vec::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => parts.push(format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                parts.push(member(key, parts.is_empty()));
            }
            Segment::Unknown => {}
        }
    }
    parts.concat()
}

/// The path of a key below another.
pub(super) fn key_path(path: &str, key: &str) -> String {
    format!("{path}{}", member(key, path.is_empty()))
}

/// A key as a part of a path.
fn member(key: &str, is_first: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || key.len() > QUOTED || !key.chars().all(plain) {
        format!("[{}]", quote(key))
    } else if is_first {
        key.to_owned()
    } else {
        format!(".{key}")
    }
}

/// Rewrites serde's message without the value; the sentences of our own checks stay as they are.
fn sentence(message: &str) -> String {
    // The value comes before the last "expected", and may contain the word itself.
    let (given, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    if let Some(kind) = given.strip_prefix("invalid type: ") {
        return format!("{} is not allowed here; use {}", given_kind(kind), expected_kind(expected));
    }
    if given.starts_with("unknown field ") {
        let known = expected.trim_start_matches("one of ").replace('`', "");
        let known = known.replace(" or ", ", ");
        return format!("there is no key of this name; known keys: {known}");
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("the key {} is missing and has no default", name.replace('`', "\""));
    }
    message.to_owned()
}

/// What kind of value was given.
fn given_kind(unexpected: &str) -> &'static str {
    match unexpected.split_whitespace().next() {
        Some("integer" | "floating" | "number") => "a number",
        Some("string") => "a string",
        Some("boolean") => "true or false",
        Some("sequence") => "a list",
        Some("map") => "an object",
        _ => "null",
    }
}

fn expected_kind(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_repeated() {
        assert_eq!(
            sentence("invalid type: string \"x, expected `y`\", expected a sequence"),
            "a string is not allowed here; use a list"
        );
        assert_eq!(
            sentence("invalid type: integer `12345678`, expected a map"),
            "a number is not allowed here; use an object"
        );
    }

    #[test]
    fn keys_are_listed() {
        assert_eq!(
            sentence("unknown field `a, expected `, expected `url` or `branch`"),
            "there is no key of this name; known keys: url, branch"
        );
        assert_eq!(sentence("missing field `url`"), "the key \"url\" is missing and has no default");
    }

    #[test]
    fn names_are_escaped_and_cut() {
        assert_eq!(quote("a\"\n\u{1b}"), r#""a\"\n\u{1b}""#);
        assert_eq!(quote(&"x".repeat(65)), format!("\"{}…\"", "x".repeat(64)));
        assert_eq!(member("a b", false), "[\"a b\"]");
        assert_eq!((member("a-b", true), member("a_b", false)), ("a-b".into(), ".a_b".into()));
    }
}
