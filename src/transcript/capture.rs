//! One stream of a command, standard output or standard error, as the database will store it.
//!
//! A command may write anything: half a character at the end of a read, a binary file, a NUL, or
//! output without end. A `text` column takes neither a NUL nor broken UTF-8, and a log row must
//! stay of a size that a page can show. So the bytes are decoded as they come, what cannot be
//! stored is replaced by a visible sign instead of being dropped, and of a long output the
//! beginning (what was started, with which settings) and the end (how it failed) are kept.
//!
//! The stored text is kept current by [`Update`]s whose total size is linear in the output's,
//! however often they are asked for: rewriting everything at each tick is what makes a chatty
//! command slow.

use std::str;

use crate::model::Update;

/// The most text that is kept of one stream, in bytes; the line in the place of a cut comes on top.
pub const LIMIT: usize = 1024 * 1024;

/// The same for a command of a job that has used up its log budget.
pub const SPARE_LIMIT: usize = 8 * 1024;

/// How many bytes are decoded at a time, so that one huge push needs no huge buffer.
const PIECE: usize = 64 * 1024;

/// By how many bytes the buffer of the tail may be too long before it is trimmed, so that trimming costs little
/// compared with appending.
const SLACK: usize = 128 * 1024;

/// What stands for a NUL: U+2400, SYMBOL FOR NULL.
const NUL_SIGN: &str = "\u{2400}";

/// The text of one stream, of which no more than a limit and the line about the cut are kept.
///
/// It uses less memory than twice the limit and some 320 KiB, whatever comes; an update is a copy on top.
#[derive(Debug)]
pub struct Capture {
    /// The most text that is kept, in bytes: one half of it is for the beginning, the other for the end.
    limit: usize,
    /// The beginning of a character whose other bytes have not come yet; three bytes at most.
    partial: Vec<u8>,
    head: String,
    /// The head had no room for a character, so nothing more goes there.
    head_full: bool,
    /// The end of what came after the head; longer than it may be, to be trimmed now and then.
    tail: String,
    /// How many bytes of text there have been in all.
    total: usize,
    finished: bool,
    /// How many bytes of the whole text the stored text covers.
    sent: usize,
    /// Where the stored text's tail begins, once the stored text has a cut.
    sent_from: Option<usize>,
}

impl Capture {
    /// An empty stream, of which at most `limit` bytes will be kept.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            partial: Vec::new(),
            head: String::new(),
            head_full: false,
            tail: String::new(),
            total: 0,
            finished: false,
            sent: 0,
            sent_from: None,
        }
    }

    fn head_limit(&self) -> usize {
        self.limit / 2
    }

    /// How much of the end an [`Update::Replace`] holds while the command still runs, in bytes. The rest, up to the
    /// limit, is room for appends, so that not every update has to replace it all.
    fn running_tail(&self) -> usize {
        self.limit / 4
    }

    /// The initial size of the tail's buffer, in bytes: the tail, up to three bytes that the head had no room for, the
    /// slack, and one piece of which every byte became a sign of three.
    fn tail_room(&self) -> usize {
        self.head_limit() + 3 + SLACK + 3 * PIECE
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            if self.partial.is_empty() {
                self.decode(piece);
            } else {
                let mut joined = std::mem::take(&mut self.partial);
                joined.extend_from_slice(piece);
                self.decode(&joined);
            }
        }
    }

    /// Ends the stream: a character that is still incomplete counts as broken, and the next update brings the stored
    /// text into its final form.
    pub fn finish(&mut self) {
        if !std::mem::take(&mut self.partial).is_empty() {
            self.add("\u{FFFD}");
        }
        self.finished = true;
    }

    /// What has to be written since the last call; `None` where the stored text is current.
    ///
    /// The stored text starts out empty. While nothing is cut, each update appends what is new.
    /// Afterwards the stored text is replaced when there is no more room for appending, and once
    /// more after [`finish`](Self::finish), so that it then is exactly [`text`](Self::text).
    pub fn unsent(&mut self) -> Option<Update> {
        let kept_from = self.kept_from();
        let may_append = match self.sent_from {
            None => !self.is_cut(),
            Some(from) if self.finished => from == kept_from,
            Some(from) => from >= kept_from,
        };
        if may_append {
            let new = (self.sent < self.total).then(|| Update::Append(self.since(self.sent)));
            self.sent = self.total;
            return new;
        }
        let from = if self.finished { kept_from } else { self.boundary_at_or_after(self.total - self.running_tail()) };
        self.sent = self.total;
        self.sent_from = Some(from);
        Some(Update::Replace(self.render(from)))
    }

    /// The whole text as it is to be stored in the end.
    #[must_use]
    pub fn text(&self) -> String {
        self.render(self.kept_from())
    }

    /// The last `bytes` bytes of the text, or a few less so as to begin with a whole character;
    /// for the end of an error message. It never reaches over a cut.
    #[must_use]
    pub fn tail(&self, bytes: usize) -> String {
        let from = self.boundary_at_or_after(self.total.saturating_sub(bytes));
        let floor = if self.is_cut() { self.kept_from() } else { 0 };
        self.since(from.max(floor))
    }

    fn decode(&mut self, bytes: &[u8]) {
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let mut parts = chunk.valid().split('\0');
            text.extend(parts.next());
            for part in parts {
                text.push_str(NUL_SIGN);
                text.push_str(part);
            }
            let broken = chunk.invalid();
            if broken.is_empty() {
                continue;
            }
            let may_go_on = str::from_utf8(broken).is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && may_go_on {
                self.partial = broken.to_vec();
            } else {
                text.push('\u{FFFD}');
            }
        }
        self.add(&text);
    }

    fn add(&mut self, mut text: &str) {
        self.total += text.len();
        if !self.head_full {
            let end = text.floor_char_boundary(self.head_limit() - self.head.len());
            self.head.push_str(&text[..end]);
            text = &text[end..];
            if !text.is_empty() {
                self.head_full = true;
                self.head.shrink_to_fit();
                self.tail.reserve_exact(self.tail_room());
            }
        }
        self.tail.push_str(text);
        let most = self.limit - self.head.len();
        if self.tail.len() > most + SLACK {
            let cut = self.tail.ceil_char_boundary(self.tail.len() - most);
            self.tail.drain(..cut);
        }
    }

    /// Whether something of the text is left out.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > self.limit
    }

    /// How much of the text is kept, in bytes.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.total.min(self.limit)
    }

    /// Where in the whole text the buffer of the tail begins.
    fn buffer_from(&self) -> usize {
        self.total - self.tail.len()
    }

    /// Where in the whole text the tail that is to be kept begins: the end of the head, unless
    /// the text is too long.
    fn kept_from(&self) -> usize {
        if self.is_cut() {
            self.boundary_at_or_after(self.total - (self.limit - self.head.len()))
        } else {
            self.head.len()
        }
    }

    /// The first character boundary at or after a place in the whole text that is still known.
    fn boundary_at_or_after(&self, place: usize) -> usize {
        if place < self.head.len() {
            return self.head.ceil_char_boundary(place);
        }
        let from = self.buffer_from();
        from + self.tail.ceil_char_boundary(place.saturating_sub(from))
    }

    /// The text from a character boundary to the end; what is not known any more is left out.
    fn since(&self, place: usize) -> String {
        match place.checked_sub(self.buffer_from()) {
            Some(at) => self.tail[at..].to_owned(),
            None => self.head[place.min(self.head.len())..].to_owned() + &self.tail,
        }
    }

    /// The head and the tail from this place on, with the line between them that says what is
    /// missing.
    fn render(&self, from: usize) -> String {
        let (head, tail) = (&self.head, self.since(from));
        match from - head.len() {
            0 => format!("{head}{tail}"),
            cut => format!("{head}\n[… {cut} bytes cut …]\n{tail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: usize = LIMIT / 2;
    const RUNNING_TAIL: usize = LIMIT / 4;

    /// The longest line in the place of a cut: twenty digits and the words around them.
    const CUT_LINE: usize = 48;

    fn capture(chunks: &[&[u8]]) -> Capture {
        let mut capture = Capture::new(LIMIT);
        for chunk in chunks {
            capture.push(chunk);
        }
        capture.finish();
        capture
    }

    /// Does to a stored text what the database would do.
    fn apply(stored: &mut String, update: Option<Update>) {
        match update {
            Some(Update::Append(new)) => stored.push_str(&new),
            Some(Update::Replace(whole)) => *stored = whole,
            None => {}
        }
    }

    /// The stream in pieces of these sizes, and the text as it is stored by an update after each.
    fn in_pieces(bytes: &[u8], sizes: &[usize]) -> (Capture, String) {
        let (mut capture, mut stored, mut rest) = (Capture::new(LIMIT), String::new(), bytes);
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at(rest.len().min(*size));
            capture.push(chunk);
            apply(&mut stored, capture.unsent());
            assert!(stored.len() <= LIMIT + CUT_LINE);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        capture.finish();
        apply(&mut stored, capture.unsent());
        (capture, stored)
    }

    #[test]
    fn a_character_cut_in_two_stays_whole() {
        let mut capture = Capture::new(LIMIT);
        capture.push(b"pri\xc3");
        assert_eq!(capture.unsent(), Some(Update::Append("pri".into())));
        assert_eq!(capture.unsent(), None);
        capture.push(b"\xa9s");
        assert_eq!(capture.unsent(), Some(Update::Append("és".into())));
        capture.finish();
        assert_eq!((capture.unsent(), capture.text().as_str()), (None, "priés"));
    }

    #[test]
    fn what_cannot_be_stored_leaves_a_sign() {
        assert_eq!(capture(&[b"a\0b\xffc\0"]).text(), "a␀b\u{FFFD}c␀");
        assert_eq!(capture(&[b"cut \xf0\x9f\x93"]).text(), "cut \u{FFFD}");
        assert_eq!(capture(&[b"\xf0\x9f", b"!"]).text(), "\u{FFFD}!");
    }

    #[test]
    fn exactly_the_limit_is_kept_whole_and_one_byte_more_is_cut() {
        let full = "x".repeat(LIMIT);
        assert_eq!(capture(&[full.as_bytes()]).text(), full);
        let text = capture(&[full.as_bytes(), b"y"]).text();
        let half = "x".repeat(LIMIT / 2);
        let expected = format!("{half}\n[… 1 bytes cut …]\n{}y", &half[1..]);
        assert!(text == expected, "{} bytes", text.len());
    }

    #[test]
    fn a_character_across_the_middle_goes_to_the_end_of_the_text_whole() {
        let text = format!("{}€{}", "x".repeat(HEAD - 1), "y".repeat(HEAD - 2));
        assert_eq!(text.len(), LIMIT);
        assert!(capture(&[text.as_bytes()]).text() == text);
        let longer = capture(&[text.as_bytes(), b"z"]).text();
        // The euro sign is the first to go, all three bytes of it.
        assert!(longer.contains("x\n[… 3 bytes cut …]\nyy") && longer.ends_with("yz"));
    }

    #[test]
    fn the_end_is_shown_without_a_broken_character() {
        let capture = capture(&["one two €5".as_bytes()]);
        assert_eq!(capture.tail(4), "€5");
        assert_eq!(capture.tail(3), "5");
        assert_eq!(capture.tail(0), "");
        assert_eq!(capture.tail(1000), "one two €5");
    }

    #[test]
    fn the_end_never_reaches_over_a_cut() {
        let text = format!("{}{}", "a".repeat(LIMIT), "b".repeat(HEAD));
        assert!(capture(&[text.as_bytes()]).tail(usize::MAX) == "b".repeat(HEAD));
    }

    #[test]
    fn memory_and_the_cost_of_updates_are_bounded_by_the_output() {
        const LINES: usize = 300_000;
        let (mut capture, mut stored, mut written) = (Capture::new(LIMIT), String::new(), 0);
        for n in 0..LINES {
            capture.push(format!("line {n}\n").as_bytes());
            assert!(capture.head.capacity() + capture.tail.capacity() < 2 * LIMIT);
            if n % 100 != 0 {
                continue;
            }
            let update = capture.unsent();
            if let Some(Update::Append(text) | Update::Replace(text)) = &update {
                written += text.len();
            }
            apply(&mut stored, update);
            assert!(stored.len() <= LIMIT + CUT_LINE);
            assert!(stored.ends_with(&format!("line {n}\n")));
        }
        assert!(written < 4 * capture.total, "{written} of {}", capture.total);
        capture.finish();
        apply(&mut stored, capture.unsent());
        assert!(stored == capture.text());
        assert!(stored.starts_with("line 0\nline 1\n"));
        assert_eq!(capture.unsent(), None);
    }

    #[test]
    fn memory_is_bounded_also_where_each_byte_becomes_three() {
        for byte in [0, 0xff] {
            let capture = capture(&[&vec![byte; 3 * LIMIT]]);
            assert_eq!(capture.total, 9 * LIMIT);
            assert!(capture.head.capacity() + capture.tail.capacity() < 2 * LIMIT);
        }
    }

    #[test]
    fn the_final_form_comes_even_when_nothing_is_new() {
        let mut capture = Capture::new(LIMIT);
        capture.push(&vec![b'x'; 3 * LIMIT]);
        let mut stored = String::new();
        apply(&mut stored, capture.unsent());
        assert_eq!(stored.len(), HEAD + RUNNING_TAIL + "\n[… 2359296 bytes cut …]\n".len());
        assert_eq!(capture.unsent(), None);
        capture.finish();
        apply(&mut stored, capture.unsent());
        assert_eq!(stored.len(), LIMIT + "\n[… 2097152 bytes cut …]\n".len());
    }

    /// Bytes in which everything that is special is frequent.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<String>().prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..6),
            Just(vec![0]),
            Just("€".as_bytes()[..2].to_vec()),
            Just("📦".as_bytes().to_vec()),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            bytes in bytes(),
            sizes in prop::collection::vec(1..9_usize, 1..9),
        ) {
            let mut whole = Capture::new(LIMIT);
            whole.push(&bytes);
            whole.finish();
            let (cut, stored) = in_pieces(&bytes, &sizes);
            prop_assert_eq!(cut.text(), whole.text());
            prop_assert_eq!(&stored, &whole.text());
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(stored, String::from_utf8_lossy(&bytes).replace('\0', "␀"));
        }

        #[test]
        fn valid_text_comes_back_as_it_was(text in "[^\0]*") {
            prop_assert_eq!(capture(&[text.as_bytes()]).text(), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn long_text_keeps_both_ends(
            unit in "[a-z0€📦\0\n]{1,40}",
            kib in 900..2200_usize,
            sizes in prop::collection::vec(1..200_000_usize, 1..6),
        ) {
            let bytes = unit.repeat(kib * 1024 / unit.len()).into_bytes();
            let text = String::from_utf8_lossy(&bytes).replace('\0', "␀");
            let (cut, stored) = in_pieces(&bytes, &sizes);
            prop_assert!(stored == cut.text());
            if text.len() <= LIMIT {
                prop_assert!(stored == text);
            } else {
                let (head, rest) = stored.split_once("\n[… ").expect("a line about the cut");
                let (number, tail) = rest.split_once(" bytes cut …]\n").expect("its end");
                prop_assert!(text.starts_with(head) && text.ends_with(tail));
                prop_assert!(HEAD - head.len() < 4 && LIMIT - head.len() - tail.len() < 4);
                let cut: usize = number.parse().expect("a number");
                prop_assert_eq!(head.len() + cut + tail.len(), text.len());
            }
        }
    }
}
