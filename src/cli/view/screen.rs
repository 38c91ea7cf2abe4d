//! How a row of the log is shown on a terminal, even while its command still runs.

use super::{
    output,
    terminal::{BOLD, DIM, GREEN, RED, RESET, Sanitizer, clean},
};
use crate::store::logs::LogRow;

/// How much of the end of the shown output is searched for in an output whose middle was cut out, in bytes.
const OVERLAP: usize = 4096;

/// Formats rows one after the other; of the last row, only what is new.
pub struct Screen {
    colours: bool,
    /// The row that still grows.
    open: Option<Open>,
    /// A row was shown, so an empty line comes before the next.
    begun: bool,
    at_line_start: bool,
}

struct Open {
    id: String,
    stdout: Stream,
    stderr: Stream,
}

struct Stream {
    shown: String,
    sanitizer: Sanitizer,
}

impl Stream {
    fn new(colours: bool) -> Self {
        Self { shown: String::new(), sanitizer: Sanitizer::new(colours) }
    }

    fn new_part(&mut self, now: Option<&str>) -> String {
        let now = now.unwrap_or_default();
        let part = self.sanitizer.push(unseen(&self.shown, now));
        now.clone_into(&mut self.shown);
        part
    }
}

impl Screen {
    pub fn new(colours: bool) -> Self {
        Self { colours, open: None, begun: false, at_line_start: true }
    }

    /// Returns what is new in a row, and its last line once it `is_over`.
    pub fn show(&mut self, row: &LogRow, is_over: bool) -> String {
        let mut text = String::new();
        let open = match self.open.take() {
            Some(open) if open.id == row.id => open,
            _ => {
                text.push_str(&self.head(row));
                Open { id: row.id.clone(), stdout: Stream::new(self.colours), stderr: Stream::new(self.colours) }
            }
        };
        let Open { id, mut stdout, mut stderr } = open;
        text.push_str(&stdout.new_part(row.stdout.as_deref()));
        text.push_str(&stderr.new_part(row.stderr.as_deref()));
        if let Some(last) = text.chars().last() {
            self.at_line_start = last == '\n';
        }
        if is_over {
            text.push_str(stdout.sanitizer.finish());
            text.push_str(stderr.sanitizer.finish());
            text.push_str(&self.end(row));
            self.at_line_start = true;
        } else {
            self.open = Some(Open { id, stdout, stderr });
        }
        text
    }

    /// Returns what to print after the last row, so that the terminal is left as it was found.
    pub fn close(&self) -> &'static str {
        match (self.at_line_start, self.colours) {
            (true, true) => RESET,
            (true, false) => "",
            (false, true) => "\u{1b}[0m\n",
            (false, false) => "\n",
        }
    }

    fn head(&mut self, row: &LogRow) -> String {
        let gap = match (self.begun, self.at_line_start) {
            (false, _) => "",
            (true, true) => "\n",
            (true, false) => "\n\n",
        };
        self.begun = true;
        let label = row.label.as_ref().map(|label| format!("{}\n", self.styled(BOLD, label))).unwrap_or_default();
        let command = row.container_command.as_ref().unwrap_or(&row.command);
        format!("{gap}{label}{} {}\n", self.styled(GREEN, "$"), clean(command, false).trim_end())
    }

    fn end(&self, row: &LogRow) -> String {
        let newline = if self.at_line_start { "" } else { "\n" };
        let duration = row.duration.map(|ms| output::duration(ms.into())).unwrap_or_default();
        let end = match row.exit_code {
            None => self.styled(DIM, "(not ended)"),
            Some(0) => self.styled(DIM, &format!("({duration})")),
            Some(code) => self.styled(RED, &format!("(exit code {code}, {duration})")),
        };
        format!("{newline}{end}\n")
    }

    fn styled(&self, style: &str, text: &str) -> String {
        let text = clean(text, false);
        if self.colours { format!("{style}{text}{RESET}") } else { text }
    }
}

/// Returns the part of an output that was not shown yet. A long output loses its middle, so it may not begin with what
/// was shown. Then the new part begins behind the end of what was shown, or, if that was cut out, where the two differ.
fn unseen<'a>(shown: &str, now: &'a str) -> &'a str {
    if let Some(new) = now.strip_prefix(shown) {
        return new;
    }
    let parting = shown.bytes().zip(now.bytes()).take_while(|(a, b)| a == b).count();
    let parting = now.floor_char_boundary(parting);
    let rest = &now[parting..];
    let from = shown.ceil_char_boundary(shown.len().saturating_sub(OVERLAP));
    let last = &shown[from.max(parting)..];
    match rest.rfind(last) {
        Some(at) if !last.is_empty() => &rest[at + last.len()..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    fn row(stdout: &str, exit_code: Option<i32>) -> LogRow {
        LogRow {
            id: "1".to_owned(),
            timestamp: Utc::now(),
            command: "docker exec -i pod sh -c ls".to_owned(),
            container_command: Some("ls".to_owned()),
            stdout: Some(stdout.to_owned()),
            stderr: Some(String::new()),
            exit_code,
            duration: exit_code.map(|_| 1234),
            label: Some("📦 Listing".to_owned()),
            job_id: None,
        }
    }

    #[test]
    fn a_row_that_grows_is_shown_as_it_is_when_it_has_grown() {
        let mut growing = Screen::new(false);
        let mut shown = growing.show(&row("", None), false);
        shown += &growing.show(&row("a\u{1b}[", None), false);
        assert_eq!(growing.close(), "\n");
        shown += &growing.show(&row("a\u{1b}[2Jb", None), false);
        shown += &growing.show(&row("a\u{1b}[2Jb\nc", Some(1)), true);
        assert_eq!(shown, "📦 Listing\n$ ls\nab\nc\n(exit code 1, 1.2 s)\n");
        assert_eq!(shown, Screen::new(false).show(&row("a\u{1b}[2Jb\nc", Some(1)), true));
    }

    #[test]
    fn nothing_is_shown_twice_of_an_output_that_lost_its_middle() {
        assert_eq!(unseen("abc", "abcdef"), "def");
        let line = |n: std::ops::Range<u32>| n.map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
        let (head, shown) = (line(0..10), line(0..2000));
        let now = format!("{head}[cut]\n{}", line(1000..2010));
        assert_eq!(unseen(&shown, &now), line(2000..2010));
        let far_ahead = format!("{head}[cut]\n{}", line(3000..4000));
        assert_eq!(unseen(&shown, &far_ahead), &far_ahead[head.len()..]);
    }
}
