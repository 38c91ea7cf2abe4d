//! Which installation this database is: several may share a host.

use sqlx::PgPool;

pub async fn id(db: &PgPool) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM pinacle.pinacle_installation").fetch_one(db).await
}
