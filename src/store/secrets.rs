//! What a pod needs and nobody may read.

use secrecy::SecretString;
use sqlx::PgPool;

pub struct PodSecret {
    /// `env` or `deploy_key`.
    pub kind: String,
    pub name: String,
    pub value: SecretString,
}

pub async fn of_pod(db: &PgPool, pod_id: &str) -> Result<Vec<PodSecret>, sqlx::Error> {
    let rows = sqlx::query!("SELECT kind, name, value FROM pod_secrets WHERE pod_id = $1 ORDER BY kind, name", pod_id)
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|row| PodSecret { kind: row.kind, name: row.name, value: row.value.into() }).collect())
}
