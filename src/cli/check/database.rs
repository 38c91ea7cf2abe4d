//! Is the database there, new enough, migrated, and reached directly?

use sqlx::PgPool;

use super::Section;
use crate::{
    cli::{explain, place},
    settings::Settings,
    store::{
        self, health,
        servers::{self, Server},
    },
};

/// What was found, and the servers to go on with.
pub async fn check(settings: &Settings, db: &PgPool) -> (Section, Vec<Server>) {
    let place = place(settings);
    let mut section = Section::new(format!("Database {place}"));
    let explained = |error: &sqlx::Error| explain::database_error(error, &place);
    match health::version(db).await {
        Ok((major, version)) if major >= health::MIN_MAJOR_VERSION => {
            section.fit(format!("PostgreSQL {version} answers"));
        }
        Ok((_, version)) => section.unfit(
            format!("PostgreSQL {version} answers, which is too old"),
            format!("upgrade it to PostgreSQL {} or later", health::MIN_MAJOR_VERSION),
        ),
        Err(error) => {
            section.wrong(explained(&error));
            return (section, Vec::new());
        }
    }
    match health::notifications_arrive(db).await {
        Ok(true) => section.fit("notifications arrive (LISTEN and NOTIFY)"),
        Ok(false) => section.unfit(
            "notifications do not arrive, as behind a pooler in transaction mode",
            "point DATABASE_URL at PostgreSQL itself, or at a pooler in session mode",
        ),
        Err(error) => section.wrong(explained(&error)),
    }
    match store::schema_is_current(db).await {
        Ok(true) => section.fit("the schema is current"),
        Ok(false) => {
            section.unfit("the schema is not current", "run `pinacle-worker migrate`");
            return (section, Vec::new());
        }
        Err(error) => {
            section.wrong(explained(&error));
            return (section, Vec::new());
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
