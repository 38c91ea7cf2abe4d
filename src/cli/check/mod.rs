//! `check`: says whether the settings, the database and every server are fit, and what to do about each that is not.

mod database;
mod docker;
mod proof;
mod server;

use std::process::ExitCode;

use futures::future::join_all;
use serde::Serialize;
use sqlx::PgPool;

use super::{
    FAILED, WRONG_USAGE, connect,
    view::{
        output,
        terminal::{BOLD, DIM, GREEN, RED, RESET},
    },
};
use crate::{fleet::HostDirectory, settings::Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Pass,
    Fail,
    /// Worth knowing; nothing depends on it.
    Info,
}

#[derive(Debug, Serialize)]
struct Finding {
    mark: Mark,
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// What was found of one thing: the settings, the database, or a server.
#[derive(Debug, Serialize)]
struct Section {
    subject: String,
    findings: Vec<Finding>,
}

impl Section {
    fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), findings: Vec::new() }
    }

    fn pass(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Pass, what: what.into(), advice: None });
    }

    fn info(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Info, what: what.into(), advice: None });
    }

    fn fail(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Fail, what: what.into(), advice: Some(advice.into()) });
    }

    /// What is wrong, where its sentence says already what to do.
    fn wrong(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Fail, what: what.into(), advice: None });
    }

    fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.mark != Mark::Fail)
    }

    fn print(&self) -> Result<(), output::OutputError> {
        let mut text = format!("{BOLD}{}{RESET}", self.subject);
        for Finding { mark, what, advice } in &self.findings {
            let (style, sign) = match mark {
                Mark::Pass => (GREEN, "✔"),
                Mark::Fail => (RED, "✘"),
                Mark::Info => (DIM, "•"),
            };
            text.extend(["\n  ", style, sign, RESET, " ", what]);
            text.extend(advice.iter().flat_map(|advice| ["\n    → ", advice]));
        }
        output::line(text)
    }
}

#[derive(Serialize)]
struct Report {
    pass: bool,
    sections: Vec<Section>,
}

impl Report {
    /// People see each section as it comes.
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

    let cancel = super::cancelled_by_interrupt();
    let hosts = HostDirectory::new(settings.private_key().unwrap_or_default());
    let checks = servers.iter().map(|server| server::check(server, &hosts, !settings.allow_unconfined_pods, &cancel));
    let sections = join_all(checks).await;
    // What was cut short says nothing of the servers.
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
        Ok(None) => section.info("there is no SSH private key (SSH_PRIVATE_KEY): enough for local servers only"),
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
