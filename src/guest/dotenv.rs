//! The `.env` file of a project, for the tools that read one: shells, docker compose, Node's dotenv and Python's.
//!
//! There is no standard for it, and these tools read quoted values differently. So a value is written in a form that
//! all of them read alike, or it is left out: every program in the pod has it in its environment anyway.

/// Marks the file as ours. A project's own file lacks this line and is left alone.
const HEADER: &str =
    "# Written by pinacle-worker from the pod's environment; remove this line to keep your own changes.\n";

/// Returns the file's text.
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

/// Returns `None` if there is no form that all tools read alike.
fn quote(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return Some(value.to_owned());
    }
    // Whatever the quotes, some tools end the line at the former, and some replace the latter by a variable.
    if value.contains('\r') || value.contains("${") {
        return None;
    }
    // In single quotes only a backslash before another one, or before the last quote, is special.
    if !value.contains('\'') && !value.contains("\\\\") && !value.ends_with('\\') {
        return Some(format!("'{value}'"));
    }
    (!value.contains(['"', '\\', '$', '`'])).then(|| format!("\"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_quotes_that_keep_it_unchanged() {
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
    fn a_value_that_readers_read_differently_is_left_out() {
        for value in ["it's \"$HOME\"", "it's `id`", "\\\\server", "ends in \\", "a\r\nb", "${HOME}"] {
            let text = write(&[("A", value)]);
            assert!(!text.contains("A=") && text.contains("# A is in the environment alone"), "{value:?}: {text}");
        }
    }
}
