//! `servers add`: adds a pod host and pins its host key, or adds this machine.

use std::{net::Ipv4Addr, process::Command, thread::available_parallelism};

use anyhow::Context;
use clap::Args;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    cli::view::{explain, output},
    remote::{ConnectionError, ssh::fetch_host_key},
    settings::Settings,
    store::servers::{self, NewServer},
};

/// How much of this machine's memory pods may use by default; the rest is for the machine and the worker.
const POD_MEMORY_PERCENT: i64 = 80;

#[derive(Debug, Args)]
pub struct Add {
    /// The server's name.
    #[arg(value_parser = not_blank)]
    name: String,
    /// Add the machine that the worker runs on, without SSH.
    #[arg(long, conflicts_with_all = ["ssh_host", "ssh_port", "ssh_user", "host_key"])]
    local: bool,
    /// The server's address, or its name in DNS.
    #[arg(long, value_name = "HOST", required_unless_present = "local", value_parser = not_blank)]
    ssh_host: Option<String>,
    /// The port of its sshd.
    #[arg(long, value_name = "PORT", default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
    ssh_port: u16,
    /// A user who may run docker, directly or through sudo without a password.
    #[arg(long, value_name = "USER", default_value = "root", value_parser = not_blank)]
    ssh_user: String,
    /// The public host key that the server must show, such as "ssh-ed25519 AAAA…". Without it, the key that the
    /// server shows is trusted.
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    host_key: Option<PublicKey>,
    /// The server's own IPv4 address that pods' ports are published on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind_address: Ipv4Addr,
    /// The domain of the pods' hostnames.
    #[arg(long, default_value = "localhost", value_parser = domain)]
    domain: String,
    /// How many CPUs pods may use. With --local, the default is all that the machine has.
    #[arg(long, value_name = "N", required_unless_present = "local", value_parser = positive)]
    cpu_cores: Option<f32>,
    /// How much memory pods may use, in MB. With --local, the default is 80 % of the machine's.
    #[arg(long, value_name = "N", required_unless_present = "local", value_parser = clap::value_parser!(i32).range(1..))]
    memory_mb: Option<i32>,
    /// How much disk pods may use, in GB. With --local, the default is what is free on the root file system.
    #[arg(long, value_name = "N", required_unless_present = "local", value_parser = clap::value_parser!(i32).range(1..))]
    disk_gb: Option<i32>,
}

pub async fn run(db: &PgPool, settings: &Settings, add: Add) -> anyhow::Result<()> {
    anyhow::ensure!(
        servers::find(db, &add.name).await?.is_none(),
        "there is already a server {:?}. Choose another name, or remove that one first",
        add.name
    );
    let key = match &add.ssh_host {
        Some(host) => Some(host_key(&add, host, settings.json).await?),
        None => None,
    };
    let taken = format!("there is already a server {:?}", add.name);
    let server = NewServer {
        connection: if add.local { "local" } else { "ssh" }.to_owned(),
        ssh_host: add.ssh_host,
        ssh_port: add.ssh_port,
        ssh_user: add.ssh_user,
        ssh_host_key: key.as_ref().map(PublicKey::to_openssh).transpose()?,
        bind_address: add.bind_address.to_string(),
        domain: add.domain,
        cpu_cores: add.cpu_cores.map_or_else(cores, Ok)?,
        memory_mb: add.memory_mb.map_or_else(memory_mb, Ok)?,
        disk_gb: add.disk_gb.map_or_else(free_disk_gb, Ok)?,
        name: add.name,
    };
    let id = servers::insert(db, server).await.map_err(|error| {
        if explain::breaks(&error, "servers_name_key") { anyhow::anyhow!(taken) } else { error.into() }
    })?;
    let server = servers::get(db, &id).await?.context("the server was removed again at once, by somebody else")?;
    if settings.json {
        let fingerprint = key.as_ref().map(fingerprint);
        return Ok(output::json(&json!({ "server": server, "host_key_fingerprint": fingerprint }))?);
    }
    output::line(format!(
        "Server {} is added ({}), with {} CPU, {} MB of memory and {} GB of disk for pods. `pinacle-worker check` \
         checks it.",
        server.name, server.id, server.cpu_cores, server.memory_mb, server.disk_gb
    ))?;
    Ok(())
}

/// Fetches the server's host key, and compares it with `--host-key` if that is given.
async fn host_key(add: &Add, host: &str, json: bool) -> anyhow::Result<PublicKey> {
    let fetched = match fetch_host_key(host, add.ssh_port, add.host_key.as_ref()).await {
        // It has no key of that type, so the message below shows the key that it has.
        Err(ConnectionError::HostKey { .. }) => fetch_host_key(host, add.ssh_port, None).await?,
        fetched => fetched?,
    };
    let key = PublicKey::from_openssh(&fetched).context("the server shows a host key of an unknown kind")?;
    let shown = fingerprint(&key);
    if let Some(expected) = add.host_key.as_ref().filter(|expected| expected.key_data() != key.key_data()) {
        anyhow::bail!(
            "{host}:{} shows the host key {shown}, and --host-key is {}. Nothing was added. On the server, \
             `ssh-keygen -lf` of the files /etc/ssh/ssh_host_*_key.pub shows which is right; if it is --host-key, \
             the connection may be intercepted",
            add.ssh_port,
            fingerprint(expected)
        );
    }
    if !json {
        output::line(format!("{host}:{} shows the host key\n  {shown}\n  {}", add.ssh_port, key.to_openssh()?))?;
        output::line(if add.host_key.is_some() {
            "which is the one of --host-key."
        } else {
            "which nobody has compared yet: on the server, `ssh-keygen -lf` of the key's file must print the same."
        })?;
    }
    Ok(key)
}

/// The fingerprint and the type as `ssh-keygen -l` prints them.
fn fingerprint(key: &PublicKey) -> String {
    let algorithm = match key.algorithm() {
        Algorithm::Ed25519 => "ED25519",
        Algorithm::Rsa { .. } => "RSA",
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384 | EcdsaCurve::NistP521 } => "ECDSA",
        other => return format!("{} ({})", key.fingerprint(HashAlg::Sha256), other.as_str()),
    };
    format!("{} ({algorithm})", key.fingerprint(HashAlg::Sha256))
}

fn cores() -> anyhow::Result<f32> {
    let cores = available_parallelism().context("the machine's CPUs cannot be counted; give --cpu-cores")?;
    Ok(u16::try_from(cores.get()).unwrap_or(u16::MAX).into())
}

fn memory_mb() -> anyhow::Result<i32> {
    let advice = "the machine's memory is not known; give --memory-mb";
    let facts = std::fs::read_to_string("/proc/meminfo").context(advice)?;
    let total = facts.lines().find_map(|line| line.strip_prefix("MemTotal:")).context(advice)?;
    let kib: i64 = total.trim().trim_end_matches(" kB").parse().context(advice)?;
    i32::try_from(kib / 1024 * POD_MEMORY_PERCENT / 100).context(advice)
}

fn free_disk_gb() -> anyhow::Result<i32> {
    let advice = "the machine's free disk space is not known; give --disk-gb";
    let output = Command::new("df").args(["-Pk", "/"]).output().context(advice)?;
    let text = String::from_utf8(output.stdout).context(advice)?;
    let kib: i64 = text.lines().last().and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).context(advice)?;
    let gb = i32::try_from(kib / 1024 / 1024).context(advice)?;
    anyhow::ensure!(gb > 0, "the machine's root file system has less than 1 GB left; make room, or give --disk-gb");
    Ok(gb)
}

fn not_blank(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("it is blank".to_owned()) } else { Ok(text.to_owned()) }
}

fn positive(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number: &f32| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "give a number above 0, such as 4 or 2.5".to_owned())
}

fn domain(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.split('.').all(is_label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("give a domain such as pods.example.com".to_owned())
    }
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::from_openssh(text.trim())
        .map_err(|error| format!("{error}; give a public key in OpenSSH's format, such as \"ssh-ed25519 AAAA…\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_prints() {
        // ssh-keygen -lf: 256 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU github.com (ED25519)
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let shown = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU (ED25519)";
        assert_eq!(fingerprint(&public_key(key).unwrap()), shown);
        assert!(public_key("ssh-ed25519 AAAA").is_err());
    }

    #[test]
    fn a_domain_is_made_of_labels() {
        assert_eq!(domain("Pods.Example.com").as_deref(), Ok("pods.example.com"));
        for wrong in ["", "a..b", ".a", "-a.b", "a b", "a;b"] {
            assert!(domain(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn this_machine_has_cores_memory_and_disk() {
        assert!(cores().unwrap() >= 1.0 && memory_mb().unwrap() > 0 && free_disk_gb().unwrap() >= 0);
    }
}
