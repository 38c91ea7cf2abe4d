//! The pod hosts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, PgPool};

#[derive(Debug, Clone, Serialize)]
pub struct Server {
    pub id: String,
    pub name: String,
    pub connection: String,
    pub ssh_host: Option<String>,
    pub ssh_port: i32,
    pub ssh_user: String,
    pub ssh_host_key: Option<String>,
    pub bind_address: String,
    pub domain: String,
    pub status: String,
    pub cpu_cores: f32,
    pub memory_mb: i32,
    pub disk_gb: i32,
    pub last_heartbeat_at: Option<DateTime<Utc>>,
}

/// A server with what its pods have reserved.
#[derive(Debug, Clone, Serialize)]
pub struct Occupancy {
    #[serde(flatten)]
    pub server: Server,
    pub pods: i64,
    pub reserved_cpu_cores: f32,
    pub reserved_memory_mb: i64,
    pub reserved_disk_gb: i64,
}

pub struct NewServer {
    pub name: String,
    pub connection: String,
    pub ssh_host: Option<String>,
    pub ssh_port: u16,
    pub ssh_user: String,
    pub ssh_host_key: Option<String>,
    pub bind_address: String,
    pub domain: String,
    pub cpu_cores: f32,
    pub memory_mb: i32,
    pub disk_gb: i32,
}

pub async fn insert(db: &PgPool, server: NewServer) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO pinacle.servers (name, connection, ssh_host, ssh_port, ssh_user, ssh_host_key, bind_address, domain,
                              cpu_cores, memory_mb, disk_gb)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         RETURNING id",
        server.name,
        server.connection,
        server.ssh_host,
        i32::from(server.ssh_port),
        server.ssh_user,
        server.ssh_host_key,
        server.bind_address,
        server.domain,
        server.cpu_cores,
        server.memory_mb,
        server.disk_gb,
    )
    .fetch_one(db)
    .await
}

pub async fn get(db: impl PgExecutor<'_>, id: &str) -> Result<Option<Server>, sqlx::Error> {
    sqlx::query_as!(
        Server,
        "SELECT id, name, connection, ssh_host, ssh_port, ssh_user, ssh_host_key, bind_address, domain, status,
                cpu_cores, memory_mb, disk_gb, last_heartbeat_at
         FROM pinacle.servers WHERE id = $1",
        id
    )
    .fetch_optional(db)
    .await
}

/// The id of the server that a person means: by name, or by id.
pub async fn find(db: &PgPool, server: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM pinacle.servers WHERE name = $1 OR id = $1 ORDER BY (name = $1) DESC LIMIT 1",
        server
    )
    .fetch_optional(db)
    .await
}

/// How many pods on the server are not destroyed.
pub async fn live_pods(db: &PgPool, id: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "pods!" FROM pinacle.pods WHERE server_id = $1 AND destroyed_at IS NULL"#,
        id
    )
    .fetch_one(db)
    .await
}

pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Occupancy>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, name, connection, ssh_host, ssh_port, ssh_user, ssh_host_key, bind_address, domain, status, cpu_cores,
                  memory_mb, disk_gb, last_heartbeat_at, live_pods, reserved_cpu_cores::real AS "reserved_cpu_cores!",
                  reserved_memory_mb, reserved_disk_gb
           FROM pinacle.servers ORDER BY name"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Occupancy {
            server: Server {
                id: row.id,
                name: row.name,
                connection: row.connection,
                ssh_host: row.ssh_host,
                ssh_port: row.ssh_port,
                ssh_user: row.ssh_user,
                ssh_host_key: row.ssh_host_key,
                bind_address: row.bind_address,
                domain: row.domain,
                status: row.status,
                cpu_cores: row.cpu_cores,
                memory_mb: row.memory_mb,
                disk_gb: row.disk_gb,
                last_heartbeat_at: row.last_heartbeat_at,
            },
            pods: row.live_pods,
            reserved_cpu_cores: row.reserved_cpu_cores,
            reserved_memory_mb: row.reserved_memory_mb,
            reserved_disk_gb: row.reserved_disk_gb,
        })
        .collect())
}

/// The servers that are not offline.
pub async fn in_use(db: &PgPool) -> Result<Vec<Server>, sqlx::Error> {
    sqlx::query_as!(
        Server,
        "SELECT id, name, connection, ssh_host, ssh_port, ssh_user, ssh_host_key, bind_address, domain, status,
                cpu_cores, memory_mb, disk_gb, last_heartbeat_at
         FROM pinacle.servers WHERE status <> 'offline' ORDER BY name"
    )
    .fetch_all(db)
    .await
}

/// A server's stored totals, and the sums over its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miscount {
    /// As "3 pods, 1.5 CPU, 3072 MB of memory, 30 GB of disk".
    pub kept: String,
    pub counted: String,
}

/// Compares the server's stored totals with the sums over its pods, and corrects them if `repair`. `None` if they
/// agree.
pub async fn recount(db: &PgPool, id: &str, repair: bool) -> Result<Option<Miscount>, sqlx::Error> {
    let mut tx = db.begin().await?;
    // A concurrent change of a pod is counted already, or waits for this lock and is counted later.
    sqlx::query!("SELECT FROM pinacle.servers WHERE id = $1 FOR NO KEY UPDATE", id).execute(&mut *tx).await?;
    let miscount = sqlx::query_as!(
        Miscount,
        r#"WITH counted AS (
               SELECT count(*) AS pods, coalesce(sum(cpu_cores::numeric), 0) AS cpu_cores,
                      coalesce(sum(memory_mb), 0) AS memory_mb, coalesce(sum(disk_gb), 0) AS disk_gb
               FROM pinacle.pods WHERE server_id = $1 AND destroyed_at IS NULL AND memory_mb IS NOT NULL
           ), wrong AS (
               SELECT s.id, c.*,
                      format('%s pods, %s CPU, %s MB of memory, %s GB of disk', s.live_pods, trim_scale(s.reserved_cpu_cores),
                             s.reserved_memory_mb, s.reserved_disk_gb) AS kept
               FROM pinacle.servers s, counted c
               WHERE s.id = $1 AND (s.live_pods, s.reserved_cpu_cores, s.reserved_memory_mb, s.reserved_disk_gb)
                                   <> (c.pods, c.cpu_cores, c.memory_mb, c.disk_gb)
           ), repaired AS (
               UPDATE pinacle.servers s
               SET live_pods = w.pods, reserved_cpu_cores = w.cpu_cores, reserved_memory_mb = w.memory_mb,
                   reserved_disk_gb = w.disk_gb
               FROM wrong w WHERE s.id = w.id AND $2
           )
           SELECT kept AS "kept!", format('%s pods, %s CPU, %s MB of memory, %s GB of disk', pods, trim_scale(cpu_cores),
                                          memory_mb, disk_gb) AS "counted!"
           FROM wrong"#,
        id,
        repair
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(miscount)
}

/// False where there is no server of that name or id.
pub async fn set_status(db: &PgPool, name: &str, status: &str) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!("UPDATE pinacle.servers SET status = $2 WHERE name = $1 OR id = $1", name, status)
        .execute(db)
        .await?;
    Ok(written.rows_affected() > 0)
}

/// Removes a server without live pods; its destroyed pods no longer name it.
pub async fn remove(db: &PgPool, id: &str) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    sqlx::query!("UPDATE pinacle.pods SET server_id = NULL WHERE server_id = $1 AND destroyed_at IS NOT NULL", id)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("DELETE FROM pinacle.servers WHERE id = $1", id).execute(&mut *tx).await?;
    tx.commit().await
}

pub async fn record_heartbeat(db: &PgPool, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE pinacle.servers SET last_heartbeat_at = now() WHERE id = $1", id).execute(db).await?;
    Ok(())
}
