//! A command as data: an argv with typed parts that is quoted once, at the last moment, by a library. Nothing is
//! concatenated, so no text of a user's can end up in a host's shell.

use std::{borrow::Cow, time::Duration};

use secrecy::SecretString;

/// What a command is given when the caller says nothing else: enough for a Docker command on a busy host.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// A NUL byte cannot travel in an argv.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a command holds a NUL byte, which no program can be given; remove it from {0}")]
pub struct NulByte(pub String);

/// Who may see a command that runs inside a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    User,
    /// It is no business of the user's.
    Infrastructure,
    /// Besides, its output may hold secrets that are not known yet.
    Confidential,
}

/// What ends a command inside a container, where the host's guard can only end `docker exec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerGuard {
    /// The program that the container's image brings (`docker/guard`).
    Program,
    /// The host's own script, for an image without that program. It costs some twenty processes a command.
    Script,
}

/// A container to run a command in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    pub guard: InnerGuard,
}

/// One command for a pod host, or for a container on it.
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<String>,
    /// `None` is the host itself.
    pub container: Option<Container>,
    /// What a user is shown as the command inside the container, where it is not the argv as it stands.
    shown_as: Option<String>,
    visibility: Visibility,
    pub label: Option<&'static str>,
    /// The whole of the command's stdin.
    pub input: SecretString,
    /// How long it may run before it is ended.
    pub timeout: Duration,
    /// Run it as root, through `sudo -n`, where the SSH user is not root.
    pub sudo: bool,
    /// Remove the pod's fence file afterwards: the pod is gone from this host.
    pub closes_fence: bool,
}

impl Command {
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            argv: vec![program.into()],
            container: None,
            shown_as: None,
            visibility: Visibility::User,
            label: None,
            input: SecretString::default(),
            timeout: DEFAULT_TIMEOUT,
            sudo: false,
            closes_fence: false,
        }
    }

    /// Docker's command line.
    pub fn docker(sudo: bool) -> Self {
        Self::new("docker").sudo(sudo)
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn inside(mut self, container: Container) -> Self {
        self.container = Some(container);
        self
    }

    #[must_use]
    pub fn shown_as(mut self, command: impl Into<String>) -> Self {
        self.shown_as = Some(command.into());
        self
    }

    /// Keeps a command inside the container from the user's terminal.
    #[must_use]
    pub fn infrastructure(mut self) -> Self {
        self.visibility = Visibility::Infrastructure;
        self
    }

    /// Keeps a command from the user's terminal, and its standard output out of the record.
    #[must_use]
    pub fn confidential(mut self) -> Self {
        self.visibility = Visibility::Confidential;
        self
    }

    /// Whether its standard output is for the caller alone.
    pub fn is_confidential(&self) -> bool {
        self.visibility == Visibility::Confidential
    }

    #[must_use]
    pub fn label(mut self, label: &'static str) -> Self {
        self.label = Some(label);
        self
    }

    #[must_use]
    pub fn input(mut self, input: impl Into<SecretString>) -> Self {
        self.input = input.into();
        self
    }

    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    #[must_use]
    pub fn sudo(mut self, sudo: bool) -> Self {
        self.sudo = sudo;
        self
    }

    #[must_use]
    pub fn closes_fence(mut self) -> Self {
        self.closes_fence = true;
        self
    }

    /// This command of the host's and another at the same time, as one that fails where either does.
    ///
    /// # Errors
    /// A word holds a NUL byte.
    pub fn beside(self, other: &Self) -> Result<Self, NulByte> {
        let script = format!("{} & {}; code=$?; wait $! && exit $code", self.line()?, other.line()?);
        Ok(self.instead(script))
    }

    /// This command of the host's and then another, as one that prints what the other does.
    ///
    /// # Errors
    /// A word holds a NUL byte.
    pub fn before(self, next: &Self) -> Result<Self, NulByte> {
        let script = format!("{} >/dev/null && {}", self.line()?, next.line()?);
        Ok(self.instead(script))
    }

    fn line(&self) -> Result<String, NulByte> {
        quote(self.sudo_words().iter().copied().chain(self.argv()))
    }

    fn instead(mut self, script: String) -> Self {
        self.argv = vec!["sh".to_owned(), "-c".to_owned(), script];
        self.sudo = false;
        self
    }

    pub(super) fn sudo_words(&self) -> &'static [&'static str] {
        if self.sudo { &["sudo", "-n", "--"] } else { &[] }
    }

    /// That every word of it can travel.
    ///
    /// # Errors
    /// The first that holds a NUL byte.
    pub fn check(&self) -> Result<(), NulByte> {
        match self.argv.iter().find(|word| word.contains('\0')) {
            Some(word) => Err(NulByte(format!("{word:?}"))),
            None => Ok(()),
        }
    }

    /// The argv as it is executed.
    pub(super) fn argv(&self) -> impl Iterator<Item = &str> + Clone {
        self.argv.iter().map(String::as_str)
    }

    /// The full command, as an admin can paste it on the host, in the words that `hide` makes of it: a secret is looked
    /// for before quoting takes it apart.
    pub fn shown(&self, hide: impl Fn(&str) -> String) -> String {
        let exec = self.container.iter().flat_map(|container| ["docker", "exec", "-i", &container.name]);
        quote_for_people(self.sudo_words().iter().copied().chain(exec).chain(self.argv()).map(hide))
    }

    /// The command as run inside the container; `None` for an infrastructure command.
    pub fn shown_in_container(&self, hide: impl Fn(&str) -> String) -> Option<String> {
        self.container.as_ref().filter(|_| self.visibility == Visibility::User).map(|_| match &self.shown_as {
            Some(shown) => hide(shown),
            None => quote_for_people(self.argv().map(hide)),
        })
    }
}

/// Quotes words for a POSIX shell.
///
/// # Errors
/// A word that holds a NUL byte, which no argv can carry.
pub(super) fn quote<'a>(words: impl IntoIterator<Item = &'a str> + Clone) -> Result<String, NulByte> {
    shlex::try_join(words.clone()).map_err(|_| {
        let culprit = words.into_iter().find(|word| word.contains('\0')).unwrap_or_default();
        NulByte(format!("{culprit:?}"))
    })
}

fn quote_for_people(words: impl Iterator<Item = String>) -> String {
    words
        .map(|word| shlex::try_quote(&word).map_or_else(|_| format!("{word:?}"), Cow::into_owned))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The words that begin a docker command in a script of ours.
pub fn docker_words(sudo: bool) -> &'static [&'static str] {
    if sudo { &["sudo", "-n", "--", "docker"] } else { &["docker"] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::redact::Redactor;

    fn pod() -> Container {
        Container { name: "pinacle-pod-x".to_owned(), guard: InnerGuard::Program }
    }

    #[test]
    fn a_command_in_a_container_is_shown_in_full_and_as_the_user_wrote_it() {
        let script = "echo 'a  b' && false";
        let command = Command::new("sh").args(["-c", script]).shown_as(script).inside(pod());
        assert_eq!(command.shown_in_container(str::to_owned).as_deref(), Some(script));
        assert_eq!(command.shown(str::to_owned), r#"docker exec -i pinacle-pod-x sh -c "echo 'a  b' && false""#);
        assert_eq!(Command::new("true").shown_in_container(str::to_owned), None);
    }

    #[test]
    fn a_secret_is_found_whatever_quotes_it_needs() {
        let secrets = ["pa^ss12345", "abc$def!x", "it's \"12345\"", "back\\slash`"];
        let redactor = Redactor::new(secrets.map(str::to_owned));
        for secret in secrets {
            let command = Command::new("login").arg(format!("it's --password={secret}")).inside(pod());
            let shown = command.shown(|word| redactor.text(word));
            assert_eq!(shown, r#"docker exec -i pinacle-pod-x login "it's --password=[redacted]""#);
            let shown = command.shown_in_container(|word| redactor.text(word)).unwrap();
            assert_eq!(shown, r#"login "it's --password=[redacted]""#);
        }
    }

    #[test]
    fn two_commands_in_one_fail_where_either_does() {
        let code = |command: Command| {
            let argv: Vec<&str> = command.argv().collect();
            std::process::Command::new(argv[0]).args(&argv[1..]).status().unwrap().code()
        };
        let exit = |code: &str| Command::new("sh").args(["-c", &format!("exit {code}")]);
        for (first, second, together) in [("0", "0", 0), ("3", "0", 3), ("0", "4", 4), ("3", "4", 3)] {
            assert_eq!(code(exit(first).beside(&exit(second)).unwrap()), Some(together));
            assert_eq!(code(exit(first).before(&exit(second)).unwrap()), Some(together));
        }
        let sudo = Command::new("docker").arg("a b").sudo(true);
        assert_eq!(
            sudo.clone().before(&sudo).unwrap().shown(str::to_owned),
            "sh -c \"sudo -n -- docker 'a b' >/dev/null && sudo -n -- docker 'a b'\""
        );
    }

    #[test]
    fn a_nul_byte_is_refused_and_named() {
        let error = quote(["echo", "a\0b"]).unwrap_err();
        assert!(error.to_string().contains(r#""a\0b""#), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_quoted_arrives_as_written(words in prop::collection::vec("[^\0]{0,20}", 1..5)) {
            let quoted = quote(words.iter().map(String::as_str)).unwrap();
            let script = format!("printf '%s\\0' {quoted}");
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            let expected: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(output.stdout, expected);
        }
    }
}
