//! The repository of a pod: its address, the name of its folder, and the secrets in its address.

use std::fmt;

use super::address::Address;

/// The longest name of a folder that is made from an address, in bytes.
const MAX_FOLDER: usize = 100;

/// The folder's name where the address suggests none.
const DEFAULT_FOLDER: &str = "project";

/// The fewest characters of a password that is hidden everywhere. Hiding a shorter one would make the log unreadable;
/// inside a URL every password is hidden.
const MIN_PASSWORD: usize = 4;

/// The fewest characters of a user name without a password that counts as a token.
const MIN_TOKEN: usize = 8;

/// The password that people write where the user name is the token.
const NO_PASSWORD: &str = "x-oauth-basic";

/// The repository that is cloned into a pod.
#[derive(Clone, PartialEq, Eq)]
pub struct Repository {
    /// An address that git can clone from and does not take for an option; it may hold credentials.
    pub url: String,
    /// The branch; the repository's own default where it is `None`.
    pub branch: Option<String>,
}

/// Leaves out the address, which may hold credentials.
impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("folder", &self.folder())
            .field("branch", &self.branch)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// The name of the folder to clone into: the last part of the address that has one, without
    /// `.git`. It is a plain file name, never empty, `.` or `..`.
    #[must_use]
    pub fn folder(&self) -> String {
        let path = Address::of(&self.url).map_or("", |address| address.path);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let names = path.rsplit(['/', ':', '\\']).map(folder_name);
        names.flatten().next().unwrap_or_else(|| DEFAULT_FOLDER.to_owned())
    }

    /// The parts of the address that must never be logged.
    pub(super) fn secrets(&self) -> Vec<String> {
        let Some(Address { scheme, login: Some(login), .. }) = Address::of(&self.url) else {
            return Vec::new();
        };
        let is_token = |name: &str| name.chars().count() >= MIN_TOKEN;
        let Some((user, password)) = login.split_once(':') else {
            let is_secret = scheme.is_some_and(|scheme| scheme != "ssh") && is_token(login);
            return if is_secret { spellings(login) } else { Vec::new() };
        };
        let mut secrets = vec![login.to_owned()];
        let is_placeholder = password == NO_PASSWORD || password.chars().count() < MIN_PASSWORD;
        if !is_placeholder {
            secrets.extend(spellings(password));
        } else if is_token(user) {
            secrets.extend(spellings(user));
        }
        secrets
    }
}

/// A secret as it is written in a URL, and decoded.
fn spellings(encoded: &str) -> Vec<String> {
    let mut spellings = vec![encoded.to_owned()];
    spellings.extend(percent_decoded(encoded).filter(|decoded| decoded != encoded));
    spellings
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// Makes the name of a folder from a part of a path; `None` where the part holds no usable character.
fn folder_name(part: &str) -> Option<String> {
    let part = part.strip_suffix(".git").unwrap_or(part);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = part.chars().map(|c| if plain(c) { c } else { '-' }).take(MAX_FOLDER).collect();
    name.contains(|c: char| c.is_ascii_alphanumeric()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repository(url: &str) -> Repository {
        Repository { url: url.to_owned(), branch: None }
    }

    #[test]
    fn the_folder_is_named_as_git_would() {
        for (url, folder) in [
            ("https://github.com/o/my.repo.git", "my.repo"),
            ("https://github.com/o/r.git/", "r"),
            ("https://github.com/o/r?x=y#z/a", "r"),
            ("git@github.com:r.git", "r"),
            ("git@github.com:o/r", "r"),
            ("file:///srv/r/.git", "r"),
            ("https://h/o/a%20b", "a-20b"),
            ("https://h/o/..", "o"),
            ("https://h/..", DEFAULT_FOLDER),
        ] {
            assert_eq!(repository(url).folder(), folder, "{url}");
        }
    }

    #[test]
    fn credentials_are_secrets_and_names_are_not() {
        for (url, secrets) in [
            ("https://bob:hunter22@h/r", &["bob:hunter22", "hunter22"][..]),
            ("https://bob:p%40ss@h/r", &["bob:p%40ss", "p%40ss", "p@ss"]),
            ("https://ghp_12345678@h/r", &["ghp_12345678"]),
            ("https://ghp_12345678:x-oauth-basic@h/r", &["ghp_12345678:x-oauth-basic", "ghp_12345678"]),
            ("https://ghp_12345678:@h/r", &["ghp_12345678:", "ghp_12345678"]),
            ("ssh://git:hunter22@h/r", &["git:hunter22", "hunter22"]),
            ("ssh://longusername@h/r", &[]),
            ("https://bob@h/r", &[]),
            ("git@github.com:o/r", &[]),
            ("https://h/r@v1:x", &[]),
        ] {
            assert_eq!(repository(url).secrets(), secrets, "{url}");
        }
    }

    #[test]
    fn the_address_does_not_show_in_debug_output() {
        let shown = format!("{:?}", repository("https://bob:hunter22@h/r"));
        assert_eq!(shown, "Repository { folder: \"r\", branch: None, .. }");
    }

    proptest! {
        #[test]
        fn a_folder_is_always_a_plain_name(url in any::<String>(), path in "[a/.:@%ä -]{0,20}") {
            for url in [url, format!("https://h/{path}"), format!("git@h:{path}")] {
                let folder = repository(&url).folder();
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                prop_assert!(folder.chars().all(plain) && (1..=MAX_FOLDER).contains(&folder.len()));
                prop_assert!(folder != "." && folder != "..");
            }
        }
    }
}
