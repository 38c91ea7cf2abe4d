//! Ticks of the schedule. Every worker sees every tick; the one that inserts it does the work.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::interval;

/// True for the one caller that may do this tick's work.
pub async fn claim_tick(db: &PgPool, task: &str, tick_at: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO pinacle.schedule_ticks (task, tick_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        task,
        tick_at
    )
    .execute(db)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Forgets the ticks that are older than `age`.
pub async fn forget_ticks(db: &PgPool, age: Duration) -> Result<u64, sqlx::Error> {
    let forgotten =
        sqlx::query!("DELETE FROM pinacle.schedule_ticks WHERE tick_at < now() - $1::interval", interval(age));
    Ok(forgotten.execute(db).await?.rows_affected())
}
