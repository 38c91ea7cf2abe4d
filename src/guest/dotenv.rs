//! The `.env` file of a project, for the tools that read one: shells, docker compose, Node's dotenv and Python's.
//!
//! There is no standard for it, and these differ in what they do with a value in quotes. So a value is written in the form
//! that all of them take as it is, or not at all: it is in the environment of every program in the pod as well.

/// Tells our file from one of the project's own, which is left alone.
const HEADER: &str =
    "# Written by pinacle-worker from the pod's environment; remove this line to keep your own changes.\n";

/// The file's text.
pub fn write(environment: &[(&str, &str)]) -> String {
    let mut text = HEADER.to_owned();
    for (name, value) in environment {
        if let Some(quoted) = quote(value) {
            text.extend([name, "=", &quoted, "\n"]);
        } else {
            text.extend(["# ", name, " is in the environment alone: readers of this file differ over its value.\n"]);
        }
    }
    text
}

/// `None` where no form is read alike by all.
fn quote(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return Some(value.to_owned());
    }
    // Some take the one for the end of a line, and some put a variable in the place of the other, whatever the quotes.
    if value.contains('\r') || value.contains("${") {
        return None;
    }
    // Nothing is special in single quotes, but for a backslash before another, or before the last quote.
    if !value.contains('\'') && !value.contains("\\\\") && !value.ends_with('\\') {
        return Some(format!("'{value}'"));
    }
    (!value.contains(['"', '\\', '$', '`'])).then(|| format!("\"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_quotes_that_leave_it_as_it_is() {
        for (value, line) in [
            ("plain-1.2", "A=plain-1.2"),
            ("", "A=''"),
            ("two  words # no comment", "A='two  words # no comment'"),
            ("$HOME `id` \"x\" \\ ", "A='$HOME `id` \"x\" \\ '"),
            ("a\nb", "A='a\nb'"),
            ("it's", "A=\"it's\""),
            ("it's\n", "A=\"it's\n\""),
            ("C:\\new", "A='C:\\new'"),
        ] {
            assert_eq!(write(&[("A", value)]).strip_prefix(HEADER), Some(&*format!("{line}\n")), "{value:?}");
        }
    }

    #[test]
    fn what_readers_differ_over_is_left_to_the_environment() {
        for value in ["it's \"$HOME\"", "it's `id`", "\\\\server", "ends in \\", "a\r\nb", "${HOME}"] {
            let text = write(&[("A", value)]);
            assert!(!text.contains("A=") && text.contains("# A is in the environment alone"), "{value:?}: {text}");
        }
    }
}
