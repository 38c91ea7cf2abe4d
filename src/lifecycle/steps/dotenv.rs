//! The `.env` file of a project, for the tools that read one.
//!
//! There is no standard for it, and readers differ in what they do with a value in quotes. So each value is written in
//! the form that the most readers take as it is.

/// Tells our file from one of the project's own, which is left alone.
const HEADER: &str =
    "# Written by pinacle-worker from the pod's environment; remove this line to keep your own changes.\n";

/// The file's text.
pub fn write(environment: &[(&str, &str)]) -> String {
    let mut text = HEADER.to_owned();
    for (name, value) in environment {
        text.extend([name, "=", &quote(value), "\n"]);
    }
    text
}

fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else if !value.contains('\'') {
        // Nothing is special in these, not even the end of a line.
        format!("'{value}'")
    } else if !value.contains(['"', '\\', '$', '`', '\n']) {
        format!("\"{value}\"")
    } else if !value.contains('`') {
        // dotenv's own third kind of quotes, as literal as the first.
        format!("`{value}`")
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n"))
    }
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
            ("$HOME `id` \"x\" \\", "A='$HOME `id` \"x\" \\'"),
            ("a\nb", "A='a\nb'"),
            ("it's", "A=\"it's\""),
            ("it's \"$HOME\"", "A=`it's \"$HOME\"`"),
            ("it's `id`", "A=\"it's `id`\""),
        ] {
            assert_eq!(write(&[("A", value)]).strip_prefix(HEADER), Some(&*format!("{line}\n")), "{value:?}");
        }
    }
}
