//! What a command prints: its result on stdout, for a person or as JSON for a program, and notes on stderr. Names,
//! errors and logs come from others, so all of it is cleaned by [`terminal`].

use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

use super::terminal;

/// The space between two columns.
const COLUMN_GAP: u16 = 2;

#[derive(Debug, thiserror::Error)]
#[error("stdout cannot be written to")]
pub struct OutputError(#[from] io::Error);

impl OutputError {
    /// The reader has closed the pipe, as `head` does.
    pub fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Whether stdout shows colours.
pub fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !unwanted
}

/// Prints one or more lines.
pub fn line(text: impl AsRef<str>) -> Result<(), OutputError> {
    clean(&format!("{}\n", terminal::clean(text.as_ref(), colours())))
}

/// Prints text that is clean already.
pub fn clean(text: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints one JSON document.
pub fn json(value: &impl Serialize) -> Result<(), OutputError> {
    clean(&format!("{}\n", escaped(serde_json::to_string_pretty(value))?))
}

/// Prints one JSON document on one line.
pub fn json_line(value: &impl Serialize) -> Result<(), OutputError> {
    clean(&format!("{}\n", escaped(serde_json::to_string(value))?))
}

/// Escapes the control characters that JSON leaves as they are and some terminals obey.
fn escaped(json: serde_json::Result<String>) -> io::Result<String> {
    let json = json?;
    if !json.contains(|c: char| c.is_control() && c != '\n') {
        return Ok(json);
    }
    Ok(json
        .chars()
        .map(|c| if c.is_control() && c != '\n' { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() })
        .collect())
}

/// Prints a line on stderr. A closed stderr is not an error.
pub fn note(text: impl AsRef<str>) {
    drop(writeln!(io::stderr().lock(), "{}", terminal::clean(text.as_ref(), false)));
}

/// Rows under a header.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = plain_table();
    table.set_header(header);
    draw(table, rows)
}

/// Names and their values, one a line; names without a value are left out.
pub fn facts<const N: usize>(facts: [(&str, Option<String>); N]) -> String {
    let known = facts.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
    draw(plain_table(), known)
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn draw<const N: usize>(mut table: Table, rows: impl IntoIterator<Item = [String; N]>) -> String {
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| terminal::one_line(&cell))));
    for column in table.column_iter_mut() {
        column.set_padding((0, COLUMN_GAP));
    }
    table.trim_fmt()
}

/// A time in UTC, to the second.
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A duration in milliseconds, in the unit that is easiest to read.
pub fn duration(ms: i64) -> String {
    let (minutes, seconds) = (ms / 60_000, ms / 1000 % 60);
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{seconds}.{} s", ms / 100 % 10),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => format!("{minutes} min {seconds} s"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let cases =
            [(850, "850 ms"), (1234, "1.2 s"), (59_999, "59 s"), (61_000, "1 min 1 s"), (3_720_000, "1 h 2 min")];
        for (ms, shown) in cases {
            assert_eq!(duration(ms), shown);
        }
    }

    #[test]
    fn json_holds_no_control_character_that_a_terminal_obeys() {
        let json = escaped(serde_json::to_string("a\u{9b}2J\u{7f}\u{1b}ü")).unwrap();
        assert_eq!(json, r#""a\u009b2J\u007f\u001bü""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "a\u{9b}2J\u{7f}\u{1b}ü");
    }

    #[test]
    fn a_table_is_plain() {
        let drawn = table(["NAME", "STATUS"], [["a\u{1b}[2J\nb".to_owned(), "x".to_owned()]]);
        assert_eq!(drawn, "NAME  STATUS\na b   x");
    }
}
