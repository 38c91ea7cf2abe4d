//! Finds credentials inside URLs: `https://user:password@host` and `https://token@host`.
//!
//! The scheme is shown as it comes; what follows `://` is held back to its end, where it is clear whether it has
//! credentials: a password may contain a `@` of its own.

use std::ops::Range;

use super::find::find;

/// How many bytes after a `://` are held back at most. What goes on for longer is not a URL that
/// anyone can read, and is hidden to its end rather than shown without being understood.
pub(super) const MAX_TOKEN: usize = 4096;

/// Schemes where a user without a password is part of the address, as in `ssh://git@host`.
const LOGIN_SCHEMES: [&[u8]; 5] = [b"ssh", b"git+ssh", b"ssh+git", b"svn+ssh", b"sftp"];

/// How many bytes before `://` are looked at: one more than the longest of those.
const SCHEME: usize = 8;

/// The search through one stream.
#[derive(Default)]
pub(super) struct Scan {
    state: State,
    /// The last bytes before the chunk that is being read, [`SCHEME`] at most.
    before: Vec<u8>,
}

#[derive(Default)]
enum State {
    #[default]
    Text,
    /// After a scheme and its `:`; whether it is one of [`LOGIN_SCHEMES`].
    Colon { login: bool },
    /// After one `/` more.
    Slash { login: bool },
    /// After `://`.
    Token(Token),
    /// In a token that is too long to be understood.
    Overlong { hard: bool },
}

struct Token {
    login: bool,
    start: usize,
    text: Vec<u8>,
    /// Only white space and the like end the token, because a `/` seems to be in a password.
    hard: bool,
}

impl Scan {
    /// Reads the bytes that stand at this place of the stream, and adds what is to be hidden.
    pub(super) fn feed(&mut self, chunk: &[u8], at: usize, hidden: &mut Vec<Range<usize>>) {
        let mut index = 0;
        while index < chunk.len() {
            let byte = chunk[index];
            match &mut self.state {
                State::Text => {
                    let Some(skipped) = find(&chunk[index..], b':') else {
                        break;
                    };
                    index += skipped + 1;
                    if let Some(login) = self.scheme(&chunk[..index - 1]) {
                        self.state = State::Colon { login };
                    }
                }
                State::Colon { login } if byte == b'/' => {
                    self.state = State::Slash { login: *login };
                    index += 1;
                }
                State::Slash { login } if byte == b'/' => {
                    index += 1;
                    self.state =
                        State::Token(Token { login: *login, start: at + index, text: Vec::new(), hard: false });
                }
                State::Colon { .. } | State::Slash { .. } => self.state = State::Text,
                State::Token(token) => {
                    index += 1;
                    if token.ends_at(byte) {
                        hidden.extend(token.credentials());
                        self.state = State::Text;
                    } else if token.text.len() == MAX_TOKEN {
                        hidden.push(token.start..token.start + token.text.len());
                        self.state = State::Overlong { hard: token.hard };
                    }
                }
                State::Overlong { hard } => {
                    let rest = &chunk[index..];
                    let ends = |byte: &u8| is_hard_end(*byte) || (!*hard && is_soft_end(*byte));
                    let end = rest.iter().position(ends);
                    let length = end.unwrap_or(rest.len());
                    hidden.push(at + index..at + index + length);
                    index += length;
                    if end.is_some() {
                        self.state = State::Text;
                    }
                }
            }
        }
        self.before.extend_from_slice(&chunk[chunk.len().saturating_sub(SCHEME)..]);
        let excess = self.before.len().saturating_sub(SCHEME);
        self.before.drain(..excess);
    }

    /// The end of the stream is the end of a token.
    pub(super) fn finish(&mut self, hidden: &mut Vec<Range<usize>>) {
        if let State::Token(token) = &self.state {
            hidden.extend(token.credentials());
        }
    }

    /// From where on the bytes read so far may still turn out to be credentials.
    pub(super) fn undecided_from(&self) -> Option<usize> {
        match &self.state {
            State::Token(token) if !token.text.is_empty() => Some(token.start),
            _ => None,
        }
    }

    /// Whether the text up to here ends with a scheme; and then, whether with a login scheme.
    fn scheme(&self, text: &[u8]) -> Option<bool> {
        let mut name = [0; SCHEME];
        let mut from = SCHEME;
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let before = text.iter().rev().chain(self.before.iter().rev()).copied();
        for byte in before.take_while(|byte| in_scheme(*byte)).take(SCHEME) {
            from -= 1;
            name[from] = byte;
        }
        let name = &name[from..];
        name.last()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(|_| LOGIN_SCHEMES.iter().any(|scheme| name.eq_ignore_ascii_case(scheme)))
    }
}

impl Token {
    /// Adds the byte to the token, unless the byte ends the token.
    fn ends_at(&mut self, byte: u8) -> bool {
        if is_hard_end(byte) {
            return true;
        }
        if is_soft_end(byte) && !self.hard {
            if self.text.contains(&b'@') || !self.has_odd_port() {
                return true;
            }
            self.hard = true;
        }
        self.text.push(byte);
        false
    }

    /// Whether a `:` is followed by something else than a port. Then this is a user and the first
    /// part of a password with a `/` in it, which ought to be written `%2F` and often is not.
    fn has_odd_port(&self) -> bool {
        let text = &*self.text;
        let host_end = match text.first() {
            Some(b'[') => find(text, b']').unwrap_or(0),
            _ => 0,
        };
        let Some(colon) = find(&text[host_end..], b':') else {
            return false;
        };
        let port = &text[host_end + colon + 1..];
        port.is_empty() || !port.iter().all(u8::is_ascii_digit)
    }

    /// Where the credentials are in the stream, if there are any.
    fn credentials(&self) -> Option<Range<usize>> {
        let length = self.text.iter().rposition(|byte| *byte == b'@')?;
        let is_login = self.login && !self.text[..length].contains(&b':');
        (length > 0 && !is_login).then_some(self.start..self.start + length)
    }
}

/// Bytes that no one writes inside a URL, not even by mistake.
fn is_hard_end(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || b"\"<>`".contains(&byte)
}

/// Bytes that end the part of a URL that names the host.
fn is_soft_end(byte: u8) -> bool {
    b"/?#\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::redact::Redactor;

    fn redacted(text: &str) -> String {
        Redactor::new([]).text(text)
    }

    #[test]
    fn credentials_are_hidden() {
        for (text, expected) in [
            ("git clone https://u:p@h/r.git x", "git clone https://[redacted]@h/r.git x"),
            ("https://ghp_token@github.com", "https://[redacted]@github.com"),
            ("HTTPS://u:@h:8080/", "HTTPS://[redacted]@h:8080/"),
            ("redis://:p@h", "redis://[redacted]@h"),
            ("\"postgres://u:p@ss@h/db\"", "\"postgres://[redacted]@h/db\""),
            ("postgres://u:p/s#?s@h/db", "postgres://[redacted]@h/db"),
            ("ssh://git:p@h/r", "ssh://[redacted]@h/r"),
            ("xgit+ssh://tok@h/r", "xgit+ssh://[redacted]@h/r"),
            ("https://http://u:p@h", "https://[redacted]@h"),
            ("a://b c://d@e", "a://b c://[redacted]@e"),
            ("'https://u:p'w@h'", "'https://[redacted]@h'"),
            ("https://u:pä@h", "https://[redacted]@h"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn addresses_stay() {
        for text in [
            "http://localhost:3000/@vite/client https://unpkg.com/react@18 http://[::1]:80/@x",
            "ssh://git@github.com/o/r.git git+ssh://git@h/r SSH://git@h git@github.com:o/r.git",
            "https://@h/ ://a@b :// -://a@b me@example.com file:///home/@me",
            "{\"url\":\"http://localhost:3000\",\"email\":\"me@example.com\"}",
            "http://h:x/no-at-sign-anywhere http:// http:/a@b http:a@b",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn what_is_too_long_is_hidden_and_not_kept() {
        let long = "x".repeat(MAX_TOKEN - 1);
        assert_eq!(redacted(&format!("a://{long} b")), format!("a://{long} b"));
        assert_eq!(redacted(&format!("a://{long}@b/c")), "a://[redacted]/c");
        let mut stream = Redactor::new([]).stream();
        assert_eq!(stream.push(b"a://"), b"a://");
        for _ in 0..10 {
            let _ = stream.push(long.as_bytes());
            assert!(stream.held.len() < MAX_TOKEN);
        }
        assert_eq!(stream.push(b"@host/path"), b"/path");
    }

    #[test]
    fn a_scheme_is_shown_at_once() {
        let mut stream = Redactor::new([]).stream();
        assert_eq!(stream.push(b"see https"), b"see https");
        assert_eq!(stream.push(b":"), b":");
        assert_eq!(stream.push(b"//"), b"//");
        assert_eq!(stream.push(b"u:p"), b"");
        assert_eq!(stream.push(b"@h"), b"");
        assert_eq!(stream.push(b"/"), b"[redacted]@h/");
    }
}
