//! What the worker needs of the database itself.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use uuid::Uuid;

/// The oldest PostgreSQL that will do.
pub const MIN_MAJOR_VERSION: i32 = 15;

/// How long a notification may be on its way.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(3);

/// The server's major version, and its version as it gives it.
pub async fn version(db: &PgPool) -> Result<(i32, String), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version_num')::int / 10000 AS "major!",
                  current_setting('server_version') AS "version!""#
    )
    .fetch_one(db)
    .await?;
    Ok((row.major, row.version))
}

/// Whether a notification of one connection arrives at another. Behind a pooler that gives each transaction another
/// connection, it is not.
pub async fn notifications_arrive(db: &PgPool) -> Result<bool, sqlx::Error> {
    let channel = format!("pinacle_check_{}", Uuid::new_v4().simple());
    let mut listener = PgListener::connect_with(db).await?;
    listener.listen(&channel).await?;
    sqlx::query!("SELECT pg_notify($1, '')", channel).fetch_one(db).await?;
    let received = tokio::time::timeout(NOTIFICATION_TIMEOUT, listener.recv()).await;
    Ok(matches!(received, Ok(Ok(_))))
}
