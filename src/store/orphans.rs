//! Things on hosts that no pod accounts for, from the first time they were seen until they are gone.

use std::time::Duration;

use sqlx::PgPool;

use super::interval;

/// One of them: what it is, Docker's id or its name, and the pod that its label names.
#[derive(Debug, Clone, Copy)]
pub struct Extra<'a> {
    pub kind: &'static str,
    pub key: &'a str,
    pub pod_id: &'a str,
}

/// What is to be done with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    First,
    /// The grace period is not over.
    Again,
    /// It was seen before, and the grace period is over.
    Due,
}

/// Whether it was seen before. Writes nothing.
pub async fn look_up(db: &PgPool, server_id: &str, extra: Extra<'_>, grace: Duration) -> Result<Sighting, sqlx::Error> {
    let due = sqlx::query_scalar!(
        r#"SELECT first_seen_at <= now() - $4::interval AS "due!" FROM pinacle.server_extras
           WHERE server_id = $1 AND kind = $2 AND key = $3"#,
        server_id,
        extra.kind,
        extra.key,
        interval(grace)
    )
    .fetch_optional(db)
    .await?;
    Ok(match due {
        None => Sighting::First,
        Some(false) => Sighting::Again,
        Some(true) => Sighting::Due,
    })
}

/// Takes one on record that was not seen before.
pub async fn note(db: &PgPool, server_id: &str, extra: Extra<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO pinacle.server_extras (server_id, kind, key, pod_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        server_id,
        extra.kind,
        extra.key,
        extra.pod_id
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets those of a server that are there no longer, or are accounted for by now.
pub async fn forget_others(db: &PgPool, server_id: &str, seen: &[Extra<'_>]) -> Result<(), sqlx::Error> {
    let seen: Vec<String> = seen.iter().map(|extra| format!("{} {}", extra.kind, extra.key)).collect();
    sqlx::query!(
        "DELETE FROM pinacle.server_extras WHERE server_id = $1 AND concat(kind, ' ', key) <> ALL ($2)",
        server_id,
        &seen
    )
    .execute(db)
    .await?;
    Ok(())
}
