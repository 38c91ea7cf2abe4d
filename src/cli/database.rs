//! The database that a command uses.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::{PgPool, postgres::PgConnectOptions};

use crate::{
    settings::{Settings, SettingsError},
    store::{self, Purpose},
};

/// How long a person waits for a database that does not respond.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(5);

/// A pool for a command that runs a few queries.
pub fn connect(settings: &Settings) -> anyhow::Result<PgPool> {
    pool(settings, Purpose::Command, COMMAND_PATIENCE)
}

/// A pool that waits for the database for at most `patience`.
pub fn pool(settings: &Settings, purpose: Purpose, patience: Duration) -> anyhow::Result<PgPool> {
    let url = settings.database_url()?;
    Ok(store::connect(url, purpose, patience)
        .map_err(|error| SettingsError::new(format!("DATABASE_URL is not a PostgreSQL URL: {error}")))?)
}

/// A pool on a database whose schema is current.
pub async fn open(settings: &Settings) -> anyhow::Result<PgPool> {
    open_for(settings, Purpose::Command, COMMAND_PATIENCE).await
}

pub async fn open_for(settings: &Settings, purpose: Purpose, patience: Duration) -> anyhow::Result<PgPool> {
    let db = pool(settings, purpose, patience)?;
    anyhow::ensure!(
        store::schema_is_current(&db).await?,
        "the schema in the database at {} is not current. Run `pinacle-worker migrate` first",
        place(settings)
    );
    Ok(db)
}

/// The database's address, without the secrets in its URL.
pub fn place(settings: &Settings) -> String {
    let options = settings.database_url().ok().and_then(|url| url.expose_secret().parse::<PgConnectOptions>().ok());
    options.map_or_else(String::new, |options| {
        let database = options.get_database().unwrap_or(options.get_username());
        format!("{}:{}/{database}", options.get_host(), options.get_port())
    })
}
