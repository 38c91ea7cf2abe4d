//! Creates and upgrades the schema `pinacle`: tables by numbered migrations, functions and triggers from
//! `migrations/functions`.

use std::sync::LazyLock;

use apalis_postgres::PostgresStorage;
use sha2::{Digest, Sha256};
use sqlx::{
    Executor, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
};

/// Our migrations are recorded in our schema, apalis's in its own.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.dangerous_set_table_name("pinacle._sqlx_migrations");
    migrations
});

/// Runs before the migrations.
const SCHEMA: &str = include_str!("../../migrations/schema.sql");

/// In the order of their dependencies.
const FUNCTIONS: [&str; 11] = [
    include_str!("../../migrations/functions/ids.sql"),
    include_str!("../../migrations/functions/pods.sql"),
    include_str!("../../migrations/functions/line.sql"),
    include_str!("../../migrations/functions/wakeups.sql"),
    include_str!("../../migrations/functions/slots.sql"),
    include_str!("../../migrations/functions/claim.sql"),
    include_str!("../../migrations/functions/capacity.sql"),
    include_str!("../../migrations/functions/ports.sql"),
    include_str!("../../migrations/functions/events.sql"),
    include_str!("../../migrations/functions/app.sql"),
    include_str!("../../migrations/functions/rights.sql"),
];

/// Identifies this set of functions.
pub fn functions_hash() -> Vec<u8> {
    // The version is included so that a return to an earlier text counts as a new set.
    let version = Sha256::new().chain_update(env!("CARGO_PKG_VERSION"));
    FUNCTIONS.iter().fold(version, Sha256::chain_update).finalize().to_vec()
}

/// Creates or upgrades apalis's tables, which our functions write to, and then our schema in one transaction. Several
/// processes at once wait for each other.
///
/// # Errors
/// The database can't be reached, lacks a right, or holds tables of these names that are not ours.
pub async fn migrate(db: &PgPool) -> Result<(), anyhow::Error> {
    PostgresStorage::setup(db).await?;
    let mut tx = db.begin().await?;
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('pinacle.migrate', 0))").await?;
    tx.execute(sqlx::raw_sql(SCHEMA)).await?;
    MIGRATIONS.run(&mut *tx).await?;
    apply_functions(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Applies the functions, unless these were applied before: then they are in place, or newer ones are.
async fn apply_functions(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    let noted = sqlx::query!(
        "INSERT INTO pinacle.applied_functions (sha256) VALUES ($1) ON CONFLICT DO NOTHING",
        functions_hash()
    );
    if noted.execute(&mut *db).await?.rows_affected() > 0 {
        for functions in FUNCTIONS {
            db.execute(sqlx::raw_sql(functions)).await?;
        }
    }
    Ok(())
}

/// Whether every migration that this binary knows has been applied, and its functions.
///
/// # Errors
/// The database can't be reached.
pub async fn schema_is_current(db: &PgPool) -> Result<bool, sqlx::Error> {
    let applied: Result<Vec<i64>, _> =
        sqlx::query_scalar("SELECT version FROM pinacle._sqlx_migrations WHERE success").fetch_all(db).await;
    match applied {
        Ok(applied) if MIGRATIONS.iter().all(|migration| applied.contains(&migration.version)) => {
            sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM pinacle.applied_functions WHERE sha256 = $1) AS "applied!""#,
                functions_hash()
            )
            .fetch_one(db)
            .await
        }
        Ok(_) => Ok(false),
        // The table of migrations does not exist: nothing was ever applied.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok(false),
        Err(error) => Err(error),
    }
}

/// The sentence for a person when [`migrate`] fails.
pub fn explain_migration_error(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref::<MigrateError>() {
        Some(MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_)) => {
            "The database was migrated by another version of pinacle-worker; run the newest one."
        }
        _ => {
            "Check that DATABASE_URL points at PostgreSQL 15 or later and that its user may create schemas and tables there."
        }
    }
}
