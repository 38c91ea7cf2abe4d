//! The images that the workers have fetched to each server.

use sqlx::PgPool;

/// Records that a worker is about to fetch the image to the server.
pub async fn fetched(db: &PgPool, server_id: &str, image: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO pinacle.server_images (server_id, image) VALUES ($1, $2)
         ON CONFLICT (server_id, image) DO UPDATE SET fetched_at = now()",
        server_id,
        image
    )
    .execute(db)
    .await
    .map(drop)
}

/// The images of a server, those that were fetched the longest ago first.
pub async fn of_server(db: &PgPool, server_id: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT image FROM pinacle.server_images WHERE server_id = $1 ORDER BY fetched_at", server_id)
        .fetch_all(db)
        .await
}

/// Forgets images that the server no longer has.
pub async fn gone(db: &PgPool, server_id: &str, images: &[String]) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM pinacle.server_images WHERE server_id = $1 AND image = ANY ($2)", server_id, images)
        .execute(db)
        .await
        .map(drop)
}
