//! Orphans, from the first time that they were seen until they are gone.

use std::time::Duration;

use sqlx::PgPool;

use super::interval;
use crate::model::Orphan;

/// How long an orphan has been known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrphanState {
    New,
    /// It was seen before, and the grace period is not over.
    Waiting,
    /// The grace period is over.
    Due,
}

/// How long the orphan has been known. Writes nothing.
pub async fn state(db: &PgPool, server_id: &str, orphan: &Orphan, grace: Duration) -> Result<OrphanState, sqlx::Error> {
    let due = sqlx::query_scalar!(
        r#"SELECT first_seen_at <= now() - $4::interval AS "due!" FROM pinacle.server_extras
           WHERE server_id = $1 AND kind = $2 AND key = $3"#,
        server_id,
        orphan.kind.as_str(),
        orphan.key,
        interval(grace)
    )
    .fetch_optional(db)
    .await?;
    Ok(match due {
        None => OrphanState::New,
        Some(false) => OrphanState::Waiting,
        Some(true) => OrphanState::Due,
    })
}

/// Records an orphan that was not seen before.
pub async fn note(db: &PgPool, server_id: &str, orphan: &Orphan) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO pinacle.server_extras (server_id, kind, key, pod_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        server_id,
        orphan.kind.as_str(),
        orphan.key,
        orphan.pod_id
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a server's orphans that were not seen now: they are gone, or belong to a pod again.
pub async fn forget_others(db: &PgPool, server_id: &str, seen: &[Orphan]) -> Result<(), sqlx::Error> {
    let seen: Vec<String> = seen.iter().map(|orphan| format!("{} {}", orphan.kind.as_str(), orphan.key)).collect();
    sqlx::query!(
        "DELETE FROM pinacle.server_extras WHERE server_id = $1 AND concat(kind, ' ', key) <> ALL ($2)",
        server_id,
        &seen
    )
    .execute(db)
    .await?;
    Ok(())
}
