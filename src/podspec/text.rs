//! The kinds of text in a config. A value of these types was checked, so later code does not look for a NUL or a
//! leading dash.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::quote;

/// The longest reference to an image that Docker accepts, in bytes, with room for its digest.
const MAX_IMAGE: usize = 512;

/// The longest name of a process, in bytes.
const MAX_PROCESS_NAME: usize = 32;

/// The longest text in a config, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Defines a text that is only made through its check. The check returns a sentence about what is wrong.
macro_rules! checked_text {
    ($(#[$attribute:meta])* $name:ident, $check:path) => {
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        $(#[$attribute])*
        pub(crate) struct $name(String);

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}
pub(super) use checked_text;

checked_text! {
    /// The name of an environment variable.
    #[schemars(extend("pattern" = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    EnvName, env_name
}

checked_text! {
    /// The value of an environment variable.
    #[schemars(extend("maxLength" = MAX_TEXT))]
    EnvValue, plain_text
}

checked_text! {
    /// A shell command, or a script of several lines.
    #[schemars(extend("minLength" = 1, "maxLength" = MAX_TEXT))]
    Script, script
}

checked_text! {
    /// A name or an address, on one line.
    #[schemars(extend("minLength" = 1, "maxLength" = MAX_TEXT))]
    Label, label
}

checked_text! {
    /// The name of a process: small letters, digits, `-` and `_`, at most 32 of them.
    #[schemars(extend("pattern" = "^[a-z0-9][a-z0-9_-]{0,31}$"))]
    ProcessName, process_name
}

checked_text! {
    /// A reference to an image, such as `registry:5000/team/image:tag`.
    #[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"))]
    ImageName, image_name
}

/// Names that a pod's variables can't have, with their owners. Dash counts the options of `getopts` in `OPTIND`, and
/// ends at once where it is not a number. `TMUX` shows which terminal a process belongs to.
const TAKEN: [(&str, &str); 2] = [("OPTIND", "the shell"), ("TMUX", "the terminal")];

pub(crate) fn env_name(text: &str) -> Result<(), String> {
    if let Some((name, owner)) = TAKEN.iter().find(|(name, _)| *name == text) {
        return Err(format!("{name} belongs to {owner} in a pod; choose another name"));
    }
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("{} is not a name for a variable; use letters, digits and _, and begin with no digit", quote(text)))
}

fn plain_text(text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT {
        return Err(format!("the text has {} bytes; leave no more than {MAX_TEXT} (64 KiB)", text.len()));
    }
    if text.contains('\0') {
        return Err("there is a NUL character in it; leave it out".to_owned());
    }
    Ok(())
}

fn script(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the command is empty; write one, or leave it out".to_owned());
    }
    plain_text(text)
}

fn label(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the text is empty; write one".to_owned());
    }
    if text.contains(char::is_control) {
        return Err("there is a control character in it; write one line of plain text".to_owned());
    }
    plain_text(text)
}

fn process_name(text: &str) -> Result<(), String> {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_plain = text.bytes().all(|byte| lower(byte) || byte == b'_' || byte == b'-');
    if is_plain && text.len() <= MAX_PROCESS_NAME && text.bytes().next().is_some_and(lower) {
        return Ok(());
    }
    Err(format!(
        "{} is not a name for a process; use up to {MAX_PROCESS_NAME} small letters, digits, _ and \
         -, and begin with a letter or digit",
        quote(text)
    ))
}

fn image_name(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
    let has_plain_ends = [text.bytes().next(), text.bytes().last()]
        .iter()
        .all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()));
    if has_plain_ends && text.bytes().all(allowed) && !text.contains("//") && text.len() <= MAX_IMAGE {
        return Ok(());
    }
    Err(format!(
        "{} is not the name of an image; use one like pinacledev/pinacle-base or \
         registry.example.com/team/image:tag",
        quote(text)
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts<T: TryFrom<String>>(text: &str) -> bool {
        T::try_from(text.to_owned()).is_ok()
    }

    #[test]
    fn options_and_nonsense_are_not_image_names() {
        for good in ["debian", "debian:12", "a/b_c.d", "localhost:5000/x/y:tag", "x@sha256:abc0"] {
            assert!(accepts::<ImageName>(good), "{good}");
        }
        for bad in ["", "-v", "a b", "a\n", "a//b", "a:", "/a", "$(id)", "a;b", &"x".repeat(513)] {
            assert!(!accepts::<ImageName>(bad), "{bad}");
        }
    }

    #[test]
    fn names_of_processes_are_short_and_plain() {
        for good in ["web", "0", "a-b_c", &"x".repeat(32)] {
            assert!(accepts::<ProcessName>(good), "{good}");
        }
        for bad in ["", "-a", "_a", "Web", "a b", "ä", "a:b", &"x".repeat(33)] {
            assert!(!accepts::<ProcessName>(bad), "{bad}");
        }
    }

    #[test]
    fn names_of_variables_are_words() {
        for good in ["A", "_", "path_2"] {
            assert!(accepts::<EnvName>(good), "{good}");
        }
        for bad in ["OPTIND", "TMUX", "", "2A", "A-B", "A=B", "A B", "Ä", "A\n"] {
            assert!(!accepts::<EnvName>(bad), "{bad}");
        }
    }

    #[test]
    fn commands_and_labels_say_something() {
        assert!(accepts::<Script>("echo \"a\"\n\techo 'b'") && accepts::<Label>("web server"));
        for bad in ["", " \n", "a\0b"] {
            assert!(!accepts::<Script>(bad) && !accepts::<Label>(bad), "{bad:?}");
        }
        assert!(!accepts::<Label>("a\nb"));
    }

    proptest! {
        #[test]
        fn a_value_may_be_anything_but_a_nul(text in any::<String>()) {
            prop_assert_eq!(accepts::<EnvValue>(&text), !text.contains('\0'));
        }
    }
}
