//! What a pod needs and nobody may read.

use secrecy::SecretString;
use sqlx::PgPool;

pub struct PodSecret {
    /// `env` or `deploy_key`.
    pub kind: String,
    pub name: String,
    pub value: SecretString,
}

/// The secrets of a pod; `None` where they are larger than an insert allows, and not read.
pub async fn of_pod(db: &PgPool, pod_id: &str) -> Result<Option<Vec<PodSecret>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH size AS (
               SELECT coalesce(sum(octet_length(name) + octet_length(value)), 0) <= 1048576 AS fits
               FROM pinacle.pod_secrets WHERE pod_id = $1
           )
           SELECT size.fits AS "fits!", s.kind AS "kind?", s.name AS "name?", s.value AS "value?"
           FROM size LEFT JOIN pinacle.pod_secrets s ON s.pod_id = $1 AND size.fits ORDER BY s.kind, s.name"#,
        pod_id
    )
    .fetch_all(db)
    .await?;
    if rows.iter().any(|row| !row.fits) {
        return Ok(None);
    }
    let secrets = rows.into_iter().filter_map(|row| row.kind.zip(row.name).zip(row.value));
    Ok(Some(secrets.map(|((kind, name), value)| PodSecret { kind, name, value: value.into() }).collect()))
}
