//! `check`: checks the settings, the database and every server, and says what to do about each failure.

mod database;
mod docker;
mod proof;
mod question;
mod section;
mod server;

use std::process::ExitCode;

use futures::future::join_all;
use serde::Serialize;
use sqlx::PgPool;

use super::{
    database::connect,
    exit::{FAILED, WRONG_USAGE},
    view::output,
};
use crate::{fleet::HostDirectory, settings::Settings};
use section::Section;

#[derive(Serialize)]
struct Report {
    pass: bool,
    sections: Vec<Section>,
}

impl Report {
    /// Prints the section at once, unless the output is JSON.
    fn add(&mut self, section: Section, settings: &Settings) -> Result<(), output::OutputError> {
        if !settings.json {
            section.print()?;
        }
        self.pass &= section.passes();
        self.sections.push(section);
        Ok(())
    }
}

pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut report = Report { pass: true, sections: Vec::new() };
    let (section, db) = check_settings(settings);
    report.add(section, settings)?;
    let failed = if report.pass { FAILED } else { WRONG_USAGE };
    let mut servers = Vec::new();
    if let Some(db) = db {
        let (section, found) = database::check(settings, &db).await;
        report.add(section, settings)?;
        servers = found;
    }

    let cancel = crate::cli::interrupt::cancelled_by_interrupt();
    let hosts = HostDirectory::new(settings.private_key().unwrap_or_default());
    let checks = servers.iter().map(|server| server::check(server, &hosts, !settings.allow_unconfined_pods, &cancel));
    let sections = join_all(checks).await;
    // An interrupted check proves nothing about the servers.
    anyhow::ensure!(!cancel.is_cancelled(), "interrupted before the servers were checked");
    for section in sections {
        report.add(section, settings)?;
    }
    if settings.json {
        output::json(&report)?;
    }
    Ok(if report.pass { ExitCode::SUCCESS } else { failed.into() })
}

fn check_settings(settings: &Settings) -> (Section, Option<PgPool>) {
    let mut section = Section::new("Settings");
    let db = connect(settings);
    match &db {
        Ok(_) => section.pass("DATABASE_URL is set"),
        Err(error) => section.wrong(error.to_string()),
    }
    match settings.private_key() {
        Ok(Some(_)) => section.pass("the SSH private key can be read"),
        Ok(None) => section.info("there is no SSH private key (SSH_PRIVATE_KEY), so only local servers can be reached"),
        Err(error) => section.wrong(error.to_string()),
    }
    match settings.secrets_keys() {
        Ok(keys) => match keys.current() {
            Some(key) => section.pass(format!("secrets are sealed for the key {} (SECRETS_KEY)", key.id())),
            None => section.info(
                "secrets are plain text in the database and in every backup of it; to seal them, give all workers the \
                 same SECRETS_KEY, such as `openssl rand -base64 32` prints",
            ),
        },
        Err(error) => section.wrong(error.to_string()),
    }
    match settings.catalog() {
        Ok(_) => section.pass("the service templates can be read"),
        Err(error) => section.wrong(error.to_string()),
    }
    (section, db.ok())
}
