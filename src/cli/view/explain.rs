//! Errors of the database, as sentences that a person can act on.

use sqlx::{error::DatabaseError, postgres::PgDatabaseError};

/// An error with its causes. `database` is its address according to the settings.
pub fn sentence(error: &anyhow::Error, database: &str) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
            parts.push(database_error(error, database));
            break;
        }
        parts.push(cause.to_string());
    }
    parts.join(": ")
}

pub fn database_error(error: &sqlx::Error, database: &str) -> String {
    match error {
        sqlx::Error::Database(refusal) => refused(refusal.as_ref(), database),
        sqlx::Error::PoolTimedOut => format!(
            "the database at {database} does not respond. Check that PostgreSQL runs there and that DATABASE_URL is \
             right"
        ),
        sqlx::Error::Io(reason) => unreachable(database, reason),
        sqlx::Error::Tls(reason) => unreachable(database, reason),
        other => format!("the database at {database} could not be used: {other}"),
    }
}

fn unreachable(database: &str, reason: &dyn std::fmt::Display) -> String {
    format!(
        "the database at {database} cannot be reached: {reason}. Check that PostgreSQL runs there and that \
         DATABASE_URL is right"
    )
}

/// The codes are those of PostgreSQL's Appendix A.
fn refused(refusal: &dyn DatabaseError, database: &str) -> String {
    let message = refusal.message();
    match refusal.code().as_deref().unwrap_or_default() {
        "28P01" | "28000" => {
            format!(
                "the database at {database} refused the login: {message}. Check the user and the password in \
             DATABASE_URL"
            )
        }
        "3D000" => format!("{message} at {database}. Create it, or name another in DATABASE_URL"),
        "42P01" | "42703" | "42883" => format!(
            "the schema in the database at {database} is not current ({message}). Run `pinacle-worker migrate` first"
        ),
        "42501" => format!("the database at {database} reports: {message}. Grant the user in DATABASE_URL this right"),
        // Our own functions raise whole sentences.
        "P0002" | "55000" => message.trim_end_matches('.').to_owned(),
        _ => {
            let detail = refusal.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail);
            let detail = detail.map(|detail| format!(" ({})", detail.trim_end_matches('.'))).unwrap_or_default();
            format!("the database at {database} refused: {message}{detail}")
        }
    }
}

/// Whether the database refused because of this constraint or unique index.
pub fn breaks(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(DatabaseError::constraint) == Some(constraint)
}
