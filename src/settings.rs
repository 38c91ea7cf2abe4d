//! The settings: one struct, from flags, the environment, or the file that `--config` names, in this order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    docker::SubnetPool,
    maintenance::cleanup::Cleanup,
    podspec::{AllowedImages, Catalog},
    secrets::{Keyring, SealingKey},
    telemetry::LogFormat,
};

/// Everything that can be set. `--help` is the manual.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// A file with settings, one NAME=value a line, named as the environment variables are.
    #[arg(long, global = true, value_name = "FILE", env = "PINACLE_CONFIG", help_heading = "Settings")]
    pub config: Option<PathBuf>,

    /// The PostgreSQL database, as postgres://user:password@host:port/name.
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Settings"
    )]
    pub database_url: Option<SecretString>,

    /// The private SSH key for the pod hosts, itself, in OpenSSH's format.
    #[arg(
        long,
        global = true,
        env = "SSH_PRIVATE_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Settings"
    )]
    pub ssh_private_key: Option<SecretString>,

    /// A file with the private SSH key.
    #[arg(long, global = true, env = "SSH_PRIVATE_KEY_FILE", value_name = "FILE", help_heading = "Settings")]
    pub ssh_private_key_file: Option<PathBuf>,

    /// The key that pods' secrets are sealed for: 32 random bytes, as base64 or as 64 hex digits, such as `openssl rand
    /// -base64 32` prints. The same for all workers. Without one, secrets are plain text in the database.
    #[arg(
        long,
        global = true,
        env = "SECRETS_KEY",
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Settings"
    )]
    pub secrets_key: Option<SecretString>,

    /// A file with the key that secrets are sealed for.
    #[arg(long, global = true, env = "SECRETS_KEY_FILE", value_name = "FILE", help_heading = "Settings")]
    pub secrets_key_file: Option<PathBuf>,

    /// Older keys, with commas in between: what is sealed for them still opens, and nothing more is sealed for them.
    #[arg(
        long,
        global = true,
        env = "SECRETS_KEY_FALLBACKS",
        hide_env_values = true,
        value_name = "KEYS",
        help_heading = "Settings"
    )]
    pub secrets_key_fallbacks: Option<SecretString>,

    /// A file with older keys, one a line.
    #[arg(long, global = true, env = "SECRETS_KEY_FALLBACKS_FILE", value_name = "FILE", help_heading = "Settings")]
    pub secrets_key_fallbacks_file: Option<PathBuf>,

    /// Creates, starts and restarts that this process runs at a time. Stops and destroys have as many slots of their own,
    /// and wait for no others. One owner's jobs never take the last slot, unless there is just one.
    #[arg(long, global = true, env = "CONCURRENCY", default_value_t = 100, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Settings")]
    pub concurrency: u32,

    /// Creates, starts and restarts that run at a time on one server, whichever workers run them. One owner's jobs never
    /// take the last of these slots, unless there is just one. The same for all workers.
    #[arg(long, global = true, env = "MAX_JOBS_PER_SERVER", default_value_t = 10, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Settings")]
    pub max_jobs_per_server: u32,

    /// Creates, starts and restarts that run at a time of the pods of one owner, whichever workers run them. Pods
    /// without an owner have no such limit. The same for all workers.
    #[arg(long, global = true, env = "MAX_JOBS_PER_OWNER", default_value_t = 10, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Settings")]
    pub max_jobs_per_owner: u32,

    /// How much of what a job's commands print is kept, in MiB. Of each further command, only the beginning and the end
    /// are kept.
    #[arg(long, global = true, env = "LOG_BUDGET_MB", default_value_t = 16, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Settings")]
    pub log_budget_mb: u32,

    /// How long one execution of a job may take, in seconds.
    #[arg(long, global = true, env = "JOB_TIMEOUT", default_value = "1800", value_parser = seconds,
        value_name = "SECONDS", help_heading = "Settings")]
    pub job_timeout: Duration,

    /// How long running jobs have to reach the end of a step once the worker is stopping, in seconds.
    #[arg(long, global = true, env = "DRAIN_TIMEOUT", default_value = "30", value_parser = seconds,
        value_name = "SECONDS", help_heading = "Settings")]
    pub drain_timeout: Duration,

    /// The block of addresses that the pods' networks on each host are cut from; /14 or larger.
    #[arg(
        long,
        global = true,
        env = "POD_SUBNETS",
        default_value = "10.200.0.0/14",
        value_name = "CIDR",
        help_heading = "Settings"
    )]
    pub pod_subnets: SubnetPool,

    /// A folder with service templates (*.toml) beside the built-in ones; one of the same name takes its place.
    #[arg(long, global = true, env = "SERVICES_DIR", value_name = "DIR", help_heading = "Settings")]
    pub services_dir: Option<PathBuf>,

    /// Which images a pod may be made from: patterns with commas in between, of which `*` stands for any text.
    #[arg(
        long,
        global = true,
        env = "ALLOWED_IMAGES",
        default_value_t,
        value_name = "PATTERNS",
        help_heading = "Settings"
    )]
    pub allowed_images: AllowedImages,

    /// Also makes pods on servers where they reach the server itself, other pods and private networks; `true` or `false`.
    #[arg(
        long,
        global = true,
        env = "ALLOW_UNCONFINED_PODS",
        default_value_t = false,
        action = clap::ArgAction::Set,
        value_name = "BOOL",
        help_heading = "Settings"
    )]
    pub allow_unconfined_pods: bool,

    /// How long rows of pod_logs are kept, in days.
    #[arg(long, global = true, env = "LOG_RETENTION_DAYS", default_value_t = 5, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650), help_heading = "Settings")]
    pub log_retention_days: u32,

    /// How long finished jobs and their steps are kept, in days. A pod's last job stays, and so does the job that made it
    /// `failed`.
    #[arg(long, global = true, env = "JOB_RETENTION_DAYS", default_value_t = 90, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650), help_heading = "Settings")]
    pub job_retention_days: u32,

    /// How much of a pod's log is kept, in MiB. The cleanup deletes the oldest rows beyond that.
    #[arg(long, global = true, env = "LOG_POD_LIMIT_MB", default_value_t = 256, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_048_576), help_heading = "Settings")]
    pub log_pod_limit_mb: u32,

    /// Where the disk of a server's Docker has less free space than this, in GB, images that a worker has fetched and no pod
    /// uses are removed.
    #[arg(
        long,
        global = true,
        env = "MIN_FREE_DISK_GB",
        default_value_t = 20,
        value_name = "N",
        help_heading = "Settings"
    )]
    pub min_free_disk_gb: u32,

    /// How often old rows of pod_logs and old jobs are deleted, in seconds.
    #[arg(long, global = true, env = "LOG_CLEANUP_INTERVAL", default_value = "3600", value_parser = seconds,
        value_name = "SECONDS", help_heading = "Settings")]
    pub log_cleanup_interval: Duration,

    /// How often database and hosts are compared, beside Docker's events, in seconds.
    #[arg(long, global = true, env = "RECONCILE_INTERVAL", default_value = "300", value_parser = seconds,
        value_name = "SECONDS", help_heading = "Settings")]
    pub reconcile_interval: Duration,

    /// How long something on a host that no pod accounts for is left alone after it was first seen, in seconds.
    #[arg(long, global = true, env = "RECONCILE_GRACE", default_value = "600", value_parser = seconds,
        value_name = "SECONDS", help_heading = "Settings")]
    pub reconcile_grace: Duration,

    /// Where `run` serves /healthz, /readyz and /metrics.
    #[arg(
        long,
        global = true,
        env = "HTTP_ADDR",
        default_value = "127.0.0.1:9470",
        value_name = "ADDR:PORT",
        help_heading = "Settings"
    )]
    pub http_addr: SocketAddr,

    /// How `run` writes its own log.
    #[arg(
        long,
        global = true,
        env = "LOG_FORMAT",
        default_value = "text",
        value_enum,
        value_name = "FORMAT",
        help_heading = "Settings"
    )]
    pub log_format: LogFormat,

    /// Print JSON for programs.
    #[arg(long, global = true)]
    pub json: bool,
}

/// A setting that is missing or can't be used; the sentence says which, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl Settings {
    /// The database's URL.
    ///
    /// # Errors
    /// It is not set.
    pub fn database_url(&self) -> Result<&SecretString, SettingsError> {
        let missing = "DATABASE_URL is not set. Set it to the PostgreSQL database, such as \
            postgres://user:password@localhost:5432/name";
        self.database_url
            .as_ref()
            .filter(|url| !url.expose_secret().is_empty())
            .ok_or_else(|| SettingsError(missing.to_owned()))
    }

    /// The services and templates that a config may name.
    ///
    /// # Errors
    /// What `SERVICES_DIR` names can't be used.
    pub fn catalog(&self) -> Result<Catalog, SettingsError> {
        let catalog = Catalog::load(self.services_dir.as_deref()).map_err(|error| SettingsError(error.to_string()))?;
        Ok(catalog.allowing(self.allowed_images.clone()))
    }

    /// What the cleanup keeps.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup {
            log_retention_days: self.log_retention_days,
            pod_limit_mb: self.log_pod_limit_mb,
            job_retention_days: self.job_retention_days,
        }
    }

    /// The private SSH key, if there is one: a worker whose servers are all `local` needs none.
    ///
    /// # Errors
    /// The file can't be read, or what is set is not a private key.
    pub fn private_key(&self) -> Result<Option<SecretString>, SettingsError> {
        let set = itself_or_in_a_file(
            "SSH_PRIVATE_KEY",
            self.ssh_private_key.as_ref(),
            self.ssh_private_key_file.as_deref(),
        )?;
        let Some((key, origin)) = set else { return Ok(None) };
        // Environment files often hold a key in one line, with `\n` for its line ends.
        let key = format!("{}\n", key.expose_secret().replace("\\n", "\n").trim());
        russh::keys::decode_secret_key(&key, None).map_err(|error| {
            SettingsError(format!(
                "{origin} holds no private key that can be used ({error}). Give an unencrypted key in OpenSSH's \
                 format, such as `ssh-keygen -t ed25519` makes"
            ))
        })?;
        Ok(Some(key.into()))
    }

    /// The keys of the pods' secrets. Without one, nothing is sealed, and no sealed secret opens.
    ///
    /// # Errors
    /// A file can't be read, or what is set is not a key.
    pub fn secrets_keys(&self) -> Result<Keyring, SettingsError> {
        let (key, file) = (self.secrets_key.as_ref(), self.secrets_key_file.as_deref());
        let current = match itself_or_in_a_file("SECRETS_KEY", key, file)? {
            Some((key, origin)) => Some(
                SealingKey::parse(key.expose_secret())
                    .map_err(|error| SettingsError(format!("{origin} holds no key: {error}")))?,
            ),
            None => None,
        };
        let (keys, file) = (self.secrets_key_fallbacks.as_ref(), self.secrets_key_fallbacks_file.as_deref());
        let Some((keys, origin)) = itself_or_in_a_file("SECRETS_KEY_FALLBACKS", keys, file)? else {
            return Ok(Keyring::new(current, Vec::new()));
        };
        let keys = keys.expose_secret().split([',', '\n']).map(str::trim).filter(|key| !key.is_empty());
        let fallbacks = (1..).zip(keys).map(|(number, key)| {
            SealingKey::parse(key)
                .map_err(|error| SettingsError(format!("key {number} of {origin} is not a key: {error}")))
        });
        Ok(Keyring::new(current, fallbacks.collect::<Result<_, _>>()?))
    }
}

/// The value of NAME, or else of the file that `NAME_FILE` names, and where it was found.
fn itself_or_in_a_file(
    name: &str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<(SecretString, String)>, SettingsError> {
    if let Some(value) = value.filter(|value| !value.expose_secret().is_empty()) {
        return Ok(Some((value.clone(), name.to_owned())));
    }
    let Some(file) = file else { return Ok(None) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| SettingsError(format!("{name}_FILE: {} cannot be read: {error}", file.display())))?;
    Ok(Some((text.into(), format!("{name}_FILE ({})", file.display()))))
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err("give a whole number of seconds, 1 or more".to_owned()),
    }
}

/// Reads a file of settings: NAME=value a line, values quoted as in a shell, `#` begins a comment.
///
/// # Errors
/// The file can't be read, or a line is not of this form.
pub fn read_file(path: &Path) -> Result<BTreeMap<String, String>, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingsError(format!("the settings file {} cannot be read: {error}", path.display())))?;
    let mut settings = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words = shlex::split(line.strip_prefix("export ").unwrap_or(line)).unwrap_or_default();
        let Some((name, value)) = words.first().filter(|_| words.len() == 1).and_then(|word| word.split_once('='))
        else {
            let path = path.display();
            return Err(SettingsError(format!("{path}, line {number}: give NAME=value, with quotes around spaces")));
        };
        settings.insert(name.to_owned(), value.to_owned());
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use clap::Command;

    use super::*;

    const HEAD: &str = "\
# Settings

Each is a flag, an environment variable, or a line `NAME=value` of the file that `--config` names; a flag wins over the
environment, and that over the file.

| name | flag | default | what it is |
|---|---|---|---|
";

    /// The page of the settings, as it is in `docs/settings.md`.
    fn page() -> String {
        let mut page = HEAD.to_owned();
        let command = Settings::augment_args(Command::new("pinacle-worker"));
        for setting in command.get_arguments() {
            let Some(name) = setting.get_env() else { continue };
            let default = setting.get_default_values().iter().map(|value| format!("`{}`", value.display()));
            let (default, help) = (default.collect::<String>(), setting.get_help().expect("a sentence"));
            let help = help.to_string().replace('|', "\\|");
            let flag = setting.get_long().expect("each has one");
            writeln!(page, "| `{}` | `--{flag}` | {default} | {help} |", name.display()).expect("a string takes all");
        }
        page
    }

    #[test]
    fn the_page_of_the_settings_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        if std::env::var_os("WRITE_DOCS").is_some() {
            std::fs::write(path, page()).expect("the page");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "docs/settings.md is stale. Run: WRITE_DOCS=1 cargo test the_page_of_the_settings");
    }
}
