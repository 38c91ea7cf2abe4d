//! A command as data: an argv with typed parts that is quoted once, at the last moment, by a library. Nobody
//! concatenates, so no text of a user's can end up in a host's shell.

use std::{borrow::Cow, time::Duration};

use secrecy::{ExposeSecret, SecretString};

/// What a command is given when the caller says nothing else: enough for a Docker command on a busy host.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// What a secret part looks like wherever a command is shown.
pub const REDACTED: &str = "[redacted]";

#[derive(Debug, Clone)]
enum Part {
    Plain(String),
    Secret(SecretString),
}

impl Part {
    fn exposed(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose_secret(),
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(_) => REDACTED,
        }
    }
}

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
    /// Besides, it prints what may hold secrets that nobody knows yet.
    Confidential,
}

/// One command for a pod host, or for a container on it.
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<Part>,
    /// The container to run in; `None` is the host itself.
    pub container: Option<String>,
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
            argv: vec![Part::Plain(program.into())],
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

    /// A shell script of the user's: one argument to `sh -c`, shown as it was written.
    pub fn script(script: impl Into<String>) -> Self {
        let script = script.into();
        Self::new("sh").arg("-c").arg(script.clone()).shown_as(script)
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(Part::Plain(arg.into()));
        self
    }

    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(|arg| Part::Plain(arg.into())));
        self
    }

    /// An argument that no log shows. It can still be seen in the host's process list while the command runs, so a
    /// secret that can travel by [`Command::input`] does.
    #[must_use]
    pub fn secret(mut self, secret: SecretString) -> Self {
        self.argv.push(Part::Secret(secret));
        self
    }

    #[must_use]
    pub fn inside(mut self, container: impl Into<String>) -> Self {
        self.container = Some(container.into());
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
    pub(super) fn is_confidential(&self) -> bool {
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

    /// That every word of it can travel.
    ///
    /// # Errors
    /// The first that holds a NUL byte.
    pub(super) fn check(&self) -> Result<(), NulByte> {
        match self.argv.iter().find(|part| part.exposed().contains('\0')) {
            Some(part) => Err(NulByte(format!("{:?}", part.shown()))),
            None => Ok(()),
        }
    }

    /// The argv as it is executed, secrets and all.
    pub(super) fn exposed_argv(&self) -> impl Iterator<Item = &str> {
        self.argv.iter().map(Part::exposed)
    }

    /// The secret parts, for the redactor.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.argv.iter().filter_map(|part| match part {
            Part::Plain(_) => None,
            Part::Secret(secret) => Some(secret.expose_secret()),
        })
    }

    /// The full command, as an admin can paste it on the host.
    pub fn shown(&self) -> String {
        let mut words = Vec::new();
        if self.sudo {
            words.extend(["sudo", "-n", "--"]);
        }
        if let Some(container) = &self.container {
            words.extend(["docker", "exec", "-i", container]);
        }
        words.extend(self.argv.iter().map(Part::shown));
        quote_for_people(&words)
    }

    /// The command as run inside the container; `None` for an infrastructure command.
    pub fn shown_in_container(&self) -> Option<String> {
        self.container.as_ref().filter(|_| self.visibility == Visibility::User).map(|_| match &self.shown_as {
            Some(shown) => shown.clone(),
            None => quote_for_people(&self.argv.iter().map(Part::shown).collect::<Vec<_>>()),
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

fn quote_for_people(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| shlex::try_quote(word).unwrap_or_else(|_| Cow::Owned(format!("{word:?}"))))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_in_a_container_is_shown_in_full_and_as_the_user_wrote_it() {
        let command = Command::script("echo 'a  b' && false").inside("pinacle-pod-x");
        assert_eq!(command.shown_in_container().as_deref(), Some("echo 'a  b' && false"));
        assert_eq!(command.shown(), r#"docker exec -i pinacle-pod-x sh -c "echo 'a  b' && false""#);
        assert_eq!(Command::new("true").shown_in_container(), None);
    }

    #[test]
    fn a_secret_part_is_executed_but_not_shown() {
        let command = Command::new("login").secret("hunter2hunter2".into());
        assert_eq!(command.exposed_argv().last(), Some("hunter2hunter2"));
        assert_eq!(command.shown(), "login '[redacted]'");
        assert!(!format!("{command:?}").contains("hunter2"));
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
