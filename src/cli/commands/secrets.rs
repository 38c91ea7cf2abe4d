//! `secrets`: prints the public key that secrets are sealed for, and seals them for a new one.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{exit::FAILED, view::output},
    secrets::{
        Keyring, SealingKey,
        reseal::{Outcome, Rows, reseal},
    },
    settings::{Settings, SettingsError},
    store::secrets::SecretId,
};

/// How many times a row is tried that another transaction locks or changes meanwhile.
const TRIES: u32 = 4;

#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Prints the public key: a program needs nothing else to seal a secret.
    PublicKey,
    /// Seals every secret for the current key: those that are plain, and those that are sealed for an older one.
    Rotate,
}

pub async fn run(settings: &Settings, command: Secrets) -> anyhow::Result<ExitCode> {
    let keys = settings.secrets_keys()?;
    match command {
        Secrets::PublicKey => public_key(settings, &keys),
        Secrets::Rotate => rotate(settings, &keys).await,
    }
}

fn current(keys: &Keyring) -> Result<&SealingKey, SettingsError> {
    keys.current().ok_or_else(|| {
        SettingsError::new(
            "SECRETS_KEY is not set, so there is nothing to seal secrets for. Make a key by `openssl rand -base64 32`, \
             and give the same to all workers",
        )
    })
}

fn public_key(settings: &Settings, keys: &Keyring) -> anyhow::Result<ExitCode> {
    let key = current(keys)?;
    if settings.json {
        let string = key.public_string();
        output::json(&json!({ "key_id": key.id(), "public_key": key.public_key(), "string": string }))?;
    } else {
        output::line(key.public_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A row that is not sealed for the current key.
#[derive(Serialize)]
struct Left {
    pod_id: String,
    kind: String,
    name: String,
    reason: String,
}

#[derive(Serialize)]
struct Report {
    key_id: String,
    sealed: u64,
    already: u64,
    /// Secrets that cannot be opened, or that the database refuses.
    failed: Vec<Left>,
    /// Secrets that another transaction locked or changed at each try.
    busy: Vec<Left>,
}

async fn rotate(settings: &Settings, keys: &Keyring) -> anyhow::Result<ExitCode> {
    let key_id = current(keys)?.id().to_owned();
    let db = crate::cli::database::open(settings).await?;
    let mut report = Report { key_id, sealed: 0, already: 0, failed: Vec::new(), busy: Vec::new() };
    let record = |id: &SecretId, outcome: Outcome| {
        let SecretId { pod_id, kind, name } = id.clone();
        let left = |reason: String| Left { pod_id, kind, name, reason };
        match outcome {
            Outcome::Sealed => report.sealed += 1,
            Outcome::Already => report.already += 1,
            Outcome::Gone => {}
            Outcome::Unopened(reason) => report.failed.push(left(reason.to_string())),
            Outcome::Refused(reason) => report.failed.push(left(reason)),
            Outcome::Busy => {
                report.busy.push(left("another transaction locks or changes it. Run this again".to_owned()));
            }
        }
    };
    reseal(&db, keys, Rows::All, TRIES, record).await?;
    if settings.json {
        output::json(&report)?;
    } else {
        let Report { key_id, sealed, already, .. } = &report;
        output::line(format!("Sealed {sealed} for the key {key_id}; {already} were already."))?;
        for Left { pod_id, kind, name, reason } in report.failed.iter().chain(&report.busy) {
            output::line(format!("Not sealed: {name:?} ({kind}) of pod {pod_id}: {reason}."))?;
        }
    }
    let done = report.failed.is_empty() && report.busy.is_empty();
    Ok(if done { ExitCode::SUCCESS } else { FAILED.into() })
}
