//! The pods: what was asked for, where it is, and what was learned of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{
    PgExecutor, PgPool, Postgres, Transaction,
    types::{Json, JsonRawValue},
};

use super::{Fence, StoreError, when_unlocked};

/// The lowest and the highest port that a pod is reached by.
pub const PORTS: std::ops::RangeInclusive<i32> = 30_000..=40_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum PodStatus {
    Pending,
    Provisioning,
    Starting,
    Running,
    Stopping,
    Stopped,
    Failed,
    Terminating,
    /// A destroyed pod's row.
    Terminated,
}

impl PodStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        }
    }
}

impl std::fmt::Display for PodStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// `pods.config`, or why it can't be read: PostgreSQL takes deeper nesting and larger numbers than a JSON reader does,
/// and a pod with such a config must still be listed and destroyed. To programs it is `null` then.
#[derive(Debug, Clone)]
pub struct Config(pub Result<Value, String>);

/// One that is larger than an insert allows is not read.
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
    pub last_error: Option<String>,
    pub last_started_at: Option<DateTime<Utc>>,
    pub last_stopped_at: Option<DateTime<Utc>>,
    pub destroyed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A pod by its id.
pub async fn get(db: impl PgExecutor<'_>, id: &str) -> Result<Option<Pod>, sqlx::Error> {
    sqlx::query_as!(
        Pod,
        r#"SELECT id, name, slug, CASE WHEN octet_length(config::text) <= 262144 THEN config END
                      AS "config?: Json<Box<JsonRawValue>>", server_id, status AS "status: PodStatus",
                  container_id, internal_ip, public_url, proxy_port, last_error, last_started_at, last_stopped_at,
                  destroyed_at, created_at, updated_at
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
                  container_id, internal_ip, public_url, proxy_port, last_error, last_started_at, last_stopped_at,
                  destroyed_at, created_at, updated_at
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

/// What a pod takes of its server.
#[derive(Debug, Clone, Copy)]
pub struct Reservation {
    pub cpu_cores: f32,
    pub memory_mb: i32,
    pub disk_gb: i32,
}

/// Why a pod has no place.
#[derive(Debug)]
pub enum Placement {
    /// On the server of this id.
    Placed(String),
    /// No server is online, or the chosen one is not.
    NoServer,
    /// Every such server lacks the room.
    NoRoom,
    /// Every server that has the room runs as many jobs as it may.
    NoSlot,
    /// Others were faster, again and again.
    Busy,
}

/// How often a server is chosen whose room another placement takes first, before the job is tried again later.
const PLACEMENT_TRIES: usize = 20;

/// Gives the pod a server that has room, the emptiest first, or `chosen` if that has, and reserves what it takes there.
/// The server's row is locked and looked at again, so that none is oversold. Only servers are chosen where fewer than
/// `max_jobs` jobs run that take a slot.
pub async fn place(
    db: &PgPool,
    fence: &Fence,
    wanted: Reservation,
    chosen: Option<&str>,
    max_jobs: u32,
) -> Result<Placement, StoreError> {
    let max_jobs = i32::try_from(max_jobs).unwrap_or(i32::MAX);
    when_unlocked(|| try_to_place(db, fence, wanted, chosen, max_jobs)).await
}

async fn try_to_place(
    db: &PgPool,
    fence: &Fence,
    wanted: Reservation,
    chosen: Option<&str>,
    max_jobs: i32,
) -> Result<Placement, StoreError> {
    const WHAT: &str = "the pod's place";
    let mut tx = db.begin().await?;
    fence.lock(&mut tx, WHAT).await?;
    for _ in 0..PLACEMENT_TRIES {
        let best = candidate(&mut tx, fence, wanted, chosen, max_jobs).await?;
        let Some(best) = best else { return Ok(Placement::NoServer) };
        if !best.fits {
            return Ok(Placement::NoRoom);
        } else if !best.has_slot {
            return Ok(Placement::NoSlot);
        }
        if lock_if_it_fits(&mut tx, fence, wanted, &best.id, max_jobs).await? {
            let statement = sqlx::query!(
                "UPDATE pinacle.pods SET server_id = $3, cpu_cores = $4, memory_mb = $5, disk_gb = $6 WHERE id = $1 AND lease = $2",
                fence.pod_id,
                fence.lease,
                best.id,
                wanted.cpu_cores,
                wanted.memory_mb,
                wanted.disk_gb
            );
            fence.write(&mut *tx, WHAT, statement).await?;
            sqlx::query!("UPDATE pinacle.pod_jobs SET slot_server = $2 WHERE id = $1", fence.job_id, best.id)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            return Ok(Placement::Placed(best.id));
        }
    }
    Ok(Placement::Busy)
}

/// A server that a pod could be placed on.
struct Candidate {
    id: String,
    fits: bool,
    has_slot: bool,
}

/// The best of the servers that are online, or `chosen` if that is: one that has the room and a slot before one that lacks
/// either, then the emptiest. What the pod has reserved there already counts as free.
async fn candidate(
    tx: &mut Transaction<'_, Postgres>,
    fence: &Fence,
    wanted: Reservation,
    chosen: Option<&str>,
    max_jobs: i32,
) -> Result<Option<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        r#"SELECT s.id, (s.cpu_cores::numeric - s.reserved_cpu_cores + coalesce(p.cpu_cores::numeric, 0) >= $1::real::numeric
                         AND s.memory_mb - s.reserved_memory_mb + coalesce(p.memory_mb, 0) >= $2
                         AND s.disk_gb - s.reserved_disk_gb + coalesce(p.disk_gb, 0) >= $3) AS "fits!",
                  pinacle.server_has_slot(s.id, j.slot_owner, j.id, $7) AS "has_slot!"
           FROM pinacle.servers s JOIN pinacle.pod_jobs j ON j.id = $6
           LEFT JOIN pinacle.pods p ON p.id = $4 AND p.server_id = s.id AND p.destroyed_at IS NULL
           WHERE s.status = 'online' AND ($5::text IS NULL OR s.id = $5)
           ORDER BY 2 DESC, 3 DESC, s.memory_mb - s.reserved_memory_mb + coalesce(p.memory_mb, 0) DESC, s.name LIMIT 1"#,
        wanted.cpu_cores,
        i64::from(wanted.memory_mb),
        i64::from(wanted.disk_gb),
        fence.pod_id,
        chosen,
        fence.job_id,
        max_jobs
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Locks the server's row and its slots until the end of the transaction. False where it is no candidate by then.
async fn lock_if_it_fits(
    tx: &mut Transaction<'_, Postgres>,
    fence: &Fence,
    wanted: Reservation,
    server_id: &str,
    max_jobs: i32,
) -> Result<bool, sqlx::Error> {
    sqlx::query!("SELECT pinacle.lock_slots('server:' || $1)", server_id).execute(&mut **tx).await?;
    sqlx::query!("SELECT FROM pinacle.servers WHERE id = $1 FOR NO KEY UPDATE", server_id).execute(&mut **tx).await?;
    let locked = candidate(tx, fence, wanted, Some(server_id), max_jobs).await?;
    Ok(locked.is_some_and(|server| server.fits && server.has_slot))
}

/// Reserves what a pod takes on the server that it is on.
pub async fn reserve(db: &PgPool, fence: &Fence, wanted: Reservation) -> Result<(), StoreError> {
    when_unlocked(|| async {
        let statement = sqlx::query!(
            "UPDATE pinacle.pods SET cpu_cores = $3, memory_mb = $4, disk_gb = $5 WHERE id = $1 AND lease = $2",
            fence.pod_id,
            fence.lease,
            wanted.cpu_cores,
            wanted.memory_mb,
            wanted.disk_gb
        );
        fence.write(db, "the pod's reservation", statement).await
    })
    .await
}

/// Gives the pod the lowest port of its server that no live pod holds and that is not in `taken`. `None` where there
/// is none left.
pub async fn take_port(db: &PgPool, fence: &Fence, server_id: &str, taken: &[i32]) -> Result<Option<i32>, StoreError> {
    when_unlocked(|| try_to_take_port(db, fence, server_id, taken)).await
}

async fn try_to_take_port(
    db: &PgPool,
    fence: &Fence,
    server_id: &str,
    taken: &[i32],
) -> Result<Option<i32>, StoreError> {
    const WHAT: &str = "the pod's port";
    let mut tx = db.begin().await?;
    fence.lock(&mut tx, WHAT).await?;
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('pinacle.ports.' || $1, 0))", server_id)
        .execute(&mut *tx)
        .await?;
    let port = sqlx::query_scalar!(
        r#"SELECT port AS "port!" FROM generate_series($1::int, $2::int) AS port
           WHERE port <> ALL ($3) AND NOT EXISTS (
               SELECT FROM pinacle.pods WHERE server_id = $4 AND proxy_port = port AND destroyed_at IS NULL)
           ORDER BY port LIMIT 1"#,
        PORTS.start(),
        PORTS.end(),
        taken,
        server_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(port) = port {
        let statement = sqlx::query!(
            "UPDATE pinacle.pods SET proxy_port = $3 WHERE id = $1 AND lease = $2",
            fence.pod_id,
            fence.lease,
            port
        );
        fence.write(&mut *tx, WHAT, statement).await?;
    }
    tx.commit().await?;
    Ok(port)
}

/// A pod that was never run gives back what it held.
pub async fn release(db: &PgPool, fence: &Fence) -> Result<(), StoreError> {
    when_unlocked(|| async {
        let statement = sqlx::query!(
            "UPDATE pinacle.pods SET server_id = NULL, proxy_port = NULL, container_id = NULL, internal_ip = NULL, public_url = NULL,
                    cpu_cores = NULL, memory_mb = NULL, disk_gb = NULL
             WHERE id = $1 AND lease = $2",
            fence.pod_id,
            fence.lease
        );
        fence.write(db, "the release of the pod's place", statement).await
    })
    .await
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
            "UPDATE pinacle.pods SET container_id = $3 WHERE id = $1 AND lease = $2",
            fence.pod_id,
            fence.lease,
            container_id
        );
        fence.write(db, "the pod's container", statement).await
    })
    .await
}

/// What is so while a container runs. The URL stays when it stops.
#[derive(Debug, Default, Clone, Copy)]
pub struct Facts<'a> {
    pub internal_ip: Option<&'a str>,
    pub public_url: Option<&'a str>,
    pub started_at: Option<&'a str>,
}

pub async fn set_facts(db: &PgPool, fence: &Fence, facts: Facts<'_>) -> Result<(), StoreError> {
    when_unlocked(|| async {
        let statement = sqlx::query!(
            "UPDATE pinacle.pods SET internal_ip = $3, public_url = coalesce($4, public_url), container_started_at = $5
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
