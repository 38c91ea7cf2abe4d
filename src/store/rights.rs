//! What the web app's role may do with the schema.

use sqlx::PgPool;

/// Grants the role what the contract says, and revokes whatever else it has in the schema.
///
/// # Errors
/// There is no such role, or the schema belongs to another role.
pub async fn grant(db: &PgPool, role: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pinacle.grant_rights($1)", role).execute(db).await.map(drop)
}
