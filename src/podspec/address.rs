//! The addresses that git may be given.
//!
//! Git takes a text that begins with a dash for an option, and one that begins with `ext::` for a command. So only
//! known forms are accepted. An address may hold credentials, so no error repeats it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{error::quote, text::checked_text};

/// The schemes that an address may have.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

checked_text! {
    /// An address that git can clone from: `https://`, `http://`, `ssh://`, `git://`, `file:///` or
    /// `user@host:path`.
    RepositoryUrl, repository_url
}

checked_text! {
    /// The name of a branch.
    Branch, branch
}

/// The parts of an address.
pub(super) struct Address<'a> {
    /// `None` for `user@host:path`.
    pub(super) scheme: Option<&'a str>,
    pub(super) login: Option<&'a str>,
    /// With its port, if it has one.
    host: &'a str,
    pub(super) path: &'a str,
}

impl<'a> Address<'a> {
    pub(super) fn of(url: &'a str) -> Option<Self> {
        let (scheme, place, path) = if let Some((scheme, rest)) = url.split_once("://") {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            (Some(scheme), &rest[..end], &rest[end..])
        } else {
            let (place, path) = url.split_once(':')?;
            (None, place, path)
        };
        let (login, host) = match place.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, place),
        };
        Some(Self { scheme, login, host, path })
    }
}

fn repository_url(url: &str) -> Result<(), String> {
    let refuse = |what: &str| {
        Err(format!(
            "{what}; use an address like https://example.com/team/project.git or \
             git@example.com:team/project.git"
        ))
    };
    if url.is_empty() {
        return refuse("the address is empty");
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("there is white space or a control character in the address");
    }
    let Some(address) = Address::of(url) else {
        return refuse("this is not the address of a repository");
    };
    let Address { scheme, login, host, path } = address;
    // Git passes parts of an address to other programs, which would take a dash for an option.
    if [url, login.unwrap_or_default(), host, path].iter().any(|part| part.starts_with('-')) {
        return refuse("a part of the address begins with a dash");
    }
    let path = path.trim_start_matches('/');
    match scheme {
        Some("file") if !(host.is_empty() && login.is_none()) => {
            refuse("an address of a file begins with file:/// and the whole path")
        }
        Some("file") if path.is_empty() => refuse("the address names no repository"),
        Some("file") => Ok(()),
        Some(scheme) if !SCHEMES.contains(&scheme) => {
            refuse(&format!("the address must begin with one of {}", SCHEMES.join("://, ") + "://"))
        }
        Some(_) if !is_host(host) => {
            refuse("the address names no host, or its port is not a number (in a password, write / as %2F)")
        }
        None if login.is_none_or(str::is_empty) || host.contains('/') || path.starts_with(':') => {
            refuse("this is not the address of a repository")
        }
        None if !is_host(host) => refuse("the address names no host"),
        _ if path.is_empty() => refuse("the address names no repository"),
        _ => Ok(()),
    }
}

/// Whether this is a host, with or without a port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, port)) => (name, Some(port.strip_prefix(':').unwrap_or("no port"))),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_name = |c: char| c.is_alphanumeric() || "._-".contains(c) || (host.starts_with('[') && c == ':');
    !name.is_empty() && name.chars().all(is_name) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The rules of `git check-ref-format`; a dash in front is refused, too.
fn branch(name: &str) -> Result<(), String> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    let is_bad_part = |part: &str| {
        let is_lock = part.strip_suffix(".lock").is_some();
        part.is_empty() || part.starts_with('.') || is_lock
    };
    let is_bad = name.starts_with('-')
        || name.ends_with('.')
        || name.contains(forbidden)
        || name.contains("..")
        || name.contains("@{")
        || name == "@"
        || name.split('/').any(is_bad_part);
    if is_bad {
        let name = quote(name);
        return Err(format!("{name} is not the name of a branch; use one like main or feature/login"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_that_git_can_clone_from_are_accepted() {
        for url in [
            "https://github.com/o/r.git",
            "http://user:pa%2Fss@h:3000/r",
            "ssh://git@[::1]:22/r",
            "git://h/r",
            "file:///srv/git/r.git",
            "git@github.com:o/r.git",
            "git@h:/srv/r",
        ] {
            assert_eq!(repository_url(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn options_commands_and_nonsense_are_refused() {
        for url in [
            "",
            "-u",
            "--upload-pack=id",
            "r",
            "/srv/r",
            "h:r",
            "ext::sh -c id",
            "ext::id",
            "x@ext::id",
            "ftp://h/r",
            "HTTPS://h/r",
            "ext://h/r",
            "ssh://-oProxyCommand=id/r",
            "ssh://-x@h/r",
            "ssh://u@-h/r",
            "-x@h:r",
            "u@-h:r",
            "u@h:-r",
            "@h:r",
            "u@h:",
            "https://",
            "https:///r",
            "https://h",
            "https://h/",
            "https://h:0/r",
            "https://h:+1/r",
            "https://u:pa/ss@h/r",
            "https://h/a b",
            "https://h/a\n",
            "https://h/\0",
            "file://h/r",
            "file://r",
            "file:///",
        ] {
            assert!(repository_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn no_error_repeats_a_credential() {
        for url in ["https://u:hunter22@h /r", "https://u:hunter22/@h/r", "ftp://u:hunter22@h/r"] {
            let error = repository_url(url).expect_err(url);
            assert!(!error.contains("hunter22") && error.contains("use an address like"), "{error}");
        }
    }

    #[test]
    fn branch_names_follow_the_rules_of_git() {
        for name in ["main", "feature/login", "v1.2-x_y", "ünï", "a@b"] {
            assert_eq!(branch(name), Ok(()), "{name}");
        }
        for name in [
            "", "-b", "--orphan", "a b", "a\t", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/",
            "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "@", "a@{1}", "a\u{7f}",
        ] {
            assert!(branch(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_address_is_neither_option_nor_command(
            url in "(ssh://|https://|file://)?[-a@:/.%]{0,12}",
        ) {
            if repository_url(&url).is_ok() {
                let place = match url.split_once("://") {
                    Some((_, rest)) => rest.split('/').next(),
                    None => url.split(':').next(),
                };
                let place = place.unwrap_or_default();
                let host = place.rsplit('@').next().unwrap_or_default();
                prop_assert!(!place.starts_with('-') && !host.starts_with('-'));
                // Git runs the program that is named before `::`.
                let program = url.split_once("::").map_or("@", |(program, _)| program);
                let in_name = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                prop_assert!(!program.chars().all(in_name), "{program}");
            }
        }
    }
}
