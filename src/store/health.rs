//! Checks of the database itself: its version, and whether notifications arrive.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use uuid::Uuid;

/// The oldest major version of PostgreSQL that works.
pub const MIN_MAJOR_VERSION: i32 = 15;

/// How long the check waits for its notification.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(3);

/// PostgreSQL's major version, and its version as text.
pub async fn version(db: &PgPool) -> Result<(i32, String), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version_num')::int / 10000 AS "major!",
                  current_setting('server_version') AS "version!""#
    )
    .fetch_one(db)
    .await?;
    Ok((row.major, row.version))
}

/// Whether a notification from one connection arrives at another. It does not behind a pooler that gives each
/// transaction another connection.
pub async fn notifications_arrive(db: &PgPool) -> Result<bool, sqlx::Error> {
    let channel = format!("pinacle_check_{}", Uuid::new_v4().simple());
    let mut listener = PgListener::connect_with(db).await?;
    listener.listen(&channel).await?;
    sqlx::query!("SELECT pg_notify($1, '')", channel).fetch_one(db).await?;
    let received = tokio::time::timeout(NOTIFICATION_TIMEOUT, listener.recv()).await;
    Ok(matches!(received, Ok(Ok(_))))
}
