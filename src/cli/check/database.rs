//! Checks that the database responds, is new enough, is migrated, and is reached directly.

use sqlx::PgPool;

use super::section::Section;
use crate::{
    cli::{database::place, view::explain},
    secrets::SealingKey,
    settings::Settings,
    store::{
        self, health,
        secrets::{self, Counts},
        servers::{self, Server},
    },
};

/// Returns the findings, and the servers to check next.
pub async fn check(settings: &Settings, db: &PgPool) -> (Section, Vec<Server>) {
    let place = place(settings);
    let mut section = Section::new(format!("Database {place}"));
    let explained = |error: &sqlx::Error| explain::database_error(error, &place);
    match health::version(db).await {
        Ok((major, version)) if major >= health::MIN_MAJOR_VERSION => {
            section.pass(format!("PostgreSQL {version} responds"));
        }
        Ok((_, version)) => section.fail(
            format!("PostgreSQL {version} is too old"),
            format!("upgrade it to PostgreSQL {} or later", health::MIN_MAJOR_VERSION),
        ),
        Err(error) => {
            section.wrong(explained(&error));
            return (section, Vec::new());
        }
    }
    match health::notifications_arrive(db).await {
        Ok(true) => section.pass("notifications arrive (LISTEN and NOTIFY)"),
        Ok(false) => section.fail(
            "notifications do not arrive, as behind a pooler in transaction mode",
            "point DATABASE_URL at PostgreSQL itself, or at a pooler in session mode",
        ),
        Err(error) => section.wrong(explained(&error)),
    }
    match store::schema_is_current(db).await {
        Ok(true) => section.pass("the schema is current"),
        Ok(false) => {
            section.fail("the schema is not current", "run `pinacle-worker migrate`");
            return (section, Vec::new());
        }
        Err(error) => {
            section.wrong(explained(&error));
            return (section, Vec::new());
        }
    }
    // The section of the settings reports broken keys.
    if let Ok(keys) = settings.secrets_keys() {
        match secrets::count(db, keys.current().map(SealingKey::id), &keys.fallback_ids()).await {
            Ok(counts) => check_secrets(&mut section, keys.current().is_some(), counts),
            Err(error) => section.wrong(explained(&error)),
        }
    }
    let servers = match servers::list(db).await {
        Ok(servers) => servers.into_iter().map(|entry| entry.server).collect(),
        Err(error) => {
            section.wrong(explained(&error));
            Vec::new()
        }
    };
    if servers.is_empty() {
        section.info("there is no server yet; `pinacle-worker servers add` adds one");
    }
    (section, servers)
}

fn check_secrets(section: &mut Section, has_key: bool, counts: Counts) {
    let Counts { plain, current, fallback, unknown } = counts;
    if has_key && plain + fallback + unknown == 0 {
        section.pass(format!("secrets that are sealed for the key: all ({current})"));
    }
    if plain > 0 && has_key {
        section.info(format!(
            "secrets that are plain text still: {plain}; a worker that runs with SECRETS_KEY seals them"
        ));
    } else if plain > 0 {
        section.info(format!("secrets that are plain text: {plain}"));
    }
    if fallback > 0 {
        section.info(format!(
            "secrets that are sealed for a key of SECRETS_KEY_FALLBACKS: {fallback}; `pinacle-worker secrets rotate` \
             seals them for SECRETS_KEY"
        ));
    }
    if unknown > 0 {
        section.fail(
            format!(
                "secrets that are sealed for a key which is not set here: {unknown}; their pods can only be stopped \
                 and destroyed"
            ),
            "set that key as SECRETS_KEY, or among SECRETS_KEY_FALLBACKS; if it is lost, store those secrets again",
        );
    }
}
