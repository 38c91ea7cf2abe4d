//! The table of pods: what the app asked for, and what the worker found out.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{
    PgExecutor, PgPool,
    types::{Json, JsonRawValue},
};

use super::{StoreError, when_unlocked};
use crate::model::{Fence, PodStatus, Reservation};

/// `pods.config`, or why it can't be read: PostgreSQL takes deeper nesting and larger numbers than a JSON reader does,
/// and a pod with such a config must still be listed and destroyed. In JSON it is `null` then.
#[derive(Debug, Clone)]
pub struct Config(pub Result<Value, String>);

/// `None` is a config that is larger than an insert allows.
impl From<Option<Json<Box<JsonRawValue>>>> for Config {
    fn from(text: Option<Json<Box<JsonRawValue>>>) -> Self {
        let text = text.ok_or_else(|| "it has more than 256 KiB".to_owned());
        Self(text.and_then(|Json(text)| serde_json::from_str(text.get()).map_err(|error| error.to_string())))
    }
}

impl Serialize for Config {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().ok().serialize(serializer)
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Pod {
    pub id: String,
    pub name: String,
    pub slug: String,
    pub config: Config,
    pub server_id: Option<String>,
    pub status: PodStatus,
    pub container_id: Option<String>,
    pub internal_ip: Option<String>,
    pub public_url: Option<String>,
    pub proxy_port: Option<i32>,
    /// Whether its container runs, as last seen.
    pub up: bool,
    /// What it has reserved on its server.
    pub cpu_cores: Option<f32>,
    pub memory_mb: Option<i32>,
    pub disk_gb: Option<i32>,
    pub last_error: Option<String>,
    pub last_started_at: Option<DateTime<Utc>>,
    pub last_stopped_at: Option<DateTime<Utc>>,
    pub destroyed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Pod {
    pub fn reserved(&self) -> Option<Reservation> {
        let (cpu_cores, memory_mb, disk_gb) = (self.cpu_cores?, self.memory_mb?, self.disk_gb?);
        Some(Reservation { cpu_cores, memory_mb, disk_gb })
    }
}

/// A pod by its id.
pub async fn get(db: impl PgExecutor<'_>, id: &str) -> Result<Option<Pod>, sqlx::Error> {
    sqlx::query_as!(
        Pod,
        r#"SELECT id, name, slug, CASE WHEN octet_length(config::text) <= 262144 THEN config END
                      AS "config?: Json<Box<JsonRawValue>>", server_id, status AS "status: PodStatus",
                  container_id, internal_ip, public_url, proxy_port, up, cpu_cores, memory_mb, disk_gb, last_error,
                  last_started_at, last_stopped_at, destroyed_at, created_at, updated_at
           FROM pinacle.pods WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await
}

/// The id of the pod that a person means: by id, or by the slug of a live one.
pub async fn find(db: &PgPool, pod: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM pinacle.pods WHERE id = $1 OR (slug = $1 AND destroyed_at IS NULL) ORDER BY (id = $1) DESC LIMIT 1",
        pod
    )
    .fetch_optional(db)
    .await
}

pub async fn list(db: &PgPool, with_destroyed: bool) -> Result<Vec<Pod>, sqlx::Error> {
    sqlx::query_as!(
        Pod,
        r#"SELECT id, name, slug, CASE WHEN octet_length(config::text) <= 262144 THEN config END
                      AS "config?: Json<Box<JsonRawValue>>", server_id, status AS "status: PodStatus",
                  container_id, internal_ip, public_url, proxy_port, up, cpu_cores, memory_mb, disk_gb, last_error,
                  last_started_at, last_stopped_at, destroyed_at, created_at, updated_at
           FROM pinacle.pods WHERE $1 OR destroyed_at IS NULL ORDER BY created_at"#,
        with_destroyed
    )
    .fetch_all(db)
    .await
}

/// The slugs of pods, by id.
pub async fn slugs(db: &PgPool, ids: &[String]) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows = sqlx::query!("SELECT id, slug FROM pinacle.pods WHERE id = ANY ($1)", ids).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.slug)).collect())
}

/// Inserts a pod and its create job in one transaction, as the web app does.
pub async fn create(
    db: &PgPool,
    name: &str,
    slug: &str,
    config: &Value,
    requested_by: &str,
) -> Result<(String, String), sqlx::Error> {
    let mut tx = db.begin().await?;
    let pod_id = sqlx::query_scalar!(
        "INSERT INTO pinacle.pods (name, slug, config) VALUES ($1, $2, $3) RETURNING id",
        name,
        slug,
        config
    )
    .fetch_one(&mut *tx)
    .await?;
    let job_id = sqlx::query_scalar!(
        "INSERT INTO pinacle.pod_jobs (pod_id, kind, requested_by) VALUES ($1, 'create', $2) RETURNING id",
        pod_id,
        requested_by
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((pod_id, job_id))
}

pub async fn set_status(db: impl PgExecutor<'_>, fence: &Fence, status: PodStatus) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        "UPDATE pinacle.pods SET status = $3 WHERE id = $1 AND lease = $2",
        fence.pod_id,
        fence.lease,
        status.as_str()
    );
    fence.write(db, "the pod's state", statement).await
}

pub async fn set_container(db: &PgPool, fence: &Fence, container_id: Option<&str>) -> Result<(), StoreError> {
    when_unlocked(|| async {
        let statement = sqlx::query!(
            "UPDATE pinacle.pods SET container_id = $3, up = up AND $3::text IS NOT NULL WHERE id = $1 AND lease = $2",
            fence.pod_id,
            fence.lease,
            container_id
        );
        fence.write(db, "the pod's container", statement).await
    })
    .await
}

/// What is known of a container while it runs. The URL stays when it stops.
#[derive(Debug, Default, Clone, Copy)]
pub struct Facts<'a> {
    pub internal_ip: Option<&'a str>,
    pub public_url: Option<&'a str>,
    pub started_at: Option<&'a str>,
}

pub async fn set_facts(db: &PgPool, fence: &Fence, facts: Facts<'_>) -> Result<(), StoreError> {
    when_unlocked(|| async {
        let statement = sqlx::query!(
            "UPDATE pinacle.pods SET internal_ip = $3, public_url = coalesce($4, public_url), container_started_at = $5,
                 up = $5::text IS NOT NULL
             WHERE id = $1 AND lease = $2",
            fence.pod_id,
            fence.lease,
            facts.internal_ip,
            facts.public_url,
            facts.started_at
        );
        fence.write(db, "the pod's address", statement).await
    })
    .await
}
