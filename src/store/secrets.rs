//! The secrets of pods as they are stored: sealed or plain.

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;

/// The most bytes of a stored value that are read: enough for 1 MiB once it is sealed.
const MAX_STORED_BYTES: i32 = 1_500_000;

/// A secret of a pod as it is stored.
pub struct StoredSecret {
    /// `env` or `deploy_key`.
    pub kind: String,
    pub name: String,
    pub value: SecretString,
}

/// The row of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretId {
    pub pod_id: String,
    pub kind: String,
    pub name: String,
}

/// A stored value.
pub enum Value {
    Read(SecretString),
    /// It is larger than an insert allows, so it is not read.
    TooLarge,
    /// There is no such row any more.
    Gone,
}

/// How many secrets are stored in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub plain: i64,
    pub current: i64,
    pub fallback: i64,
    /// Sealed for a key that is not known here.
    pub unknown: i64,
}

/// The secrets of a pod; `None`, unread, if they are more or larger than an insert allows.
pub async fn of_pod(db: &PgPool, pod_id: &str) -> Result<Option<Vec<StoredSecret>>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH size AS (
               SELECT coalesce(sum(octet_length(name) + pinacle.secret_bytes(value)), 0) <= 1048576
                      AND count(*) <= 4096 AS are_few
               FROM pinacle.pod_secrets WHERE pod_id = $1
           )
           SELECT size.are_few AS "are_few!", s.kind AS "kind?", s.name AS "name?", s.value AS "value?"
           FROM size LEFT JOIN pinacle.pod_secrets s ON s.pod_id = $1 AND size.are_few ORDER BY s.kind, s.name"#,
        pod_id
    )
    .fetch_all(db)
    .await?;
    if rows.iter().any(|row| !row.are_few) {
        return Ok(None);
    }
    let secrets = rows.into_iter().filter_map(|row| row.kind.zip(row.name).zip(row.value));
    Ok(Some(secrets.map(|((kind, name), value)| StoredSecret { kind, name, value: value.into() }).collect()))
}

/// Up to `limit` rows behind `after`, in their order: those that are plain, or all.
pub async fn page(
    db: &PgPool,
    plain_only: bool,
    after: Option<&SecretId>,
    limit: i64,
) -> Result<Vec<SecretId>, sqlx::Error> {
    let (pod_id, kind, name) =
        after.map_or(("", "", ""), |after| (after.pod_id.as_str(), after.kind.as_str(), after.name.as_str()));
    sqlx::query_as!(
        SecretId,
        "SELECT pod_id, kind, name FROM pinacle.pod_secrets
         WHERE (pod_id, kind, name) > ($2, $3, $4) AND NOT ($1 AND starts_with(value, 'hpke:v1:'))
         ORDER BY pod_id, kind, name LIMIT $5",
        plain_only,
        pod_id,
        kind,
        name,
        limit
    )
    .fetch_all(db)
    .await
}

/// The stored value of a row.
pub async fn value(db: &PgPool, id: &SecretId) -> Result<Value, sqlx::Error> {
    let value = sqlx::query_scalar!(
        "SELECT CASE WHEN octet_length(value) <= $4 THEN value END
         FROM pinacle.pod_secrets WHERE pod_id = $1 AND kind = $2 AND name = $3",
        id.pod_id,
        id.kind,
        id.name,
        MAX_STORED_BYTES
    )
    .fetch_optional(db)
    .await?;
    Ok(match value {
        None => Value::Gone,
        Some(None) => Value::TooLarge,
        Some(Some(value)) => Value::Read(value.into()),
    })
}

/// Replaces `old` by `new` without waiting for locks. False if the row, or what the trigger locks, is locked, or if the
/// value is no longer `old`.
pub async fn replace(db: &PgPool, id: &SecretId, old: &SecretString, new: &str) -> Result<bool, sqlx::Error> {
    let replaced = sqlx::query!(
        "WITH held AS (
             SELECT pod_id, kind, name FROM pinacle.pod_secrets
             WHERE pod_id = $1 AND kind = $2 AND name = $3 AND value = $4
               AND pg_try_advisory_xact_lock(hashtextextended('pinacle.secrets.' || pod_id, 0))
             FOR NO KEY UPDATE SKIP LOCKED
         )
         UPDATE pinacle.pod_secrets s SET value = $5 FROM held
         WHERE (s.pod_id, s.kind, s.name, s.value) = (held.pod_id, held.kind, held.name, $4)",
        id.pod_id,
        id.kind,
        id.name,
        old.expose_secret(),
        new
    );
    Ok(replaced.execute(db).await?.rows_affected() == 1)
}

/// How many secrets are plain, sealed for the key `current`, for one of `fallbacks`, and for others.
pub async fn count(db: &PgPool, current: Option<&str>, fallbacks: &[String]) -> Result<Counts, sqlx::Error> {
    sqlx::query_as!(
        Counts,
        r#"SELECT count(*) FILTER (WHERE key IS NULL) AS "plain!",
                  count(*) FILTER (WHERE key = $1) AS "current!",
                  count(*) FILTER (WHERE key = ANY ($2) AND key IS DISTINCT FROM $1) AS "fallback!",
                  count(*) FILTER (WHERE key IS NOT NULL AND key <> ALL ($2) AND key IS DISTINCT FROM $1) AS "unknown!"
           FROM (SELECT CASE WHEN starts_with(value, 'hpke:v1:') THEN substr(value, 9, 16) END AS key
                 FROM pinacle.pod_secrets) AS s"#,
        current,
        fallbacks
    )
    .fetch_one(db)
    .await
}
