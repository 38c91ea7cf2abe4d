//! What a pod holds of its server: its place, what it has reserved there, and its port.

use sqlx::{PgPool, Postgres, Transaction};

use super::{StoreError, when_unlocked};
use crate::model::{Fence, PORTS, Reservation};

/// How the search for a pod's place ended.
#[derive(Debug)]
pub enum Placement {
    /// On the server of this id.
    Placed(String),
    /// No server is online, or the chosen one is not.
    NoServer,
    /// Every online server, or the chosen one, lacks the room.
    NoRoom,
    /// Every server with room runs as many jobs as it may.
    NoSlot,
    /// Other placements took the room first, in every try.
    Busy,
}

/// How many times another placement may take the chosen room first, before the job is tried again later.
const PLACEMENT_TRIES: usize = 20;

/// Places the pod on the emptiest server with room, or on `chosen` if it has room, and reserves what the pod takes. The
/// server's row is locked and checked again, so that it is never oversold. Only servers where fewer than `max_jobs`
/// jobs hold a slot are chosen.
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
        if !best.has_room {
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
    has_room: bool,
    has_slot: bool,
}

/// The best online server, or `chosen` if it is online: one with room and a slot before one that lacks either, then the
/// emptiest. What the pod has reserved there already counts as free.
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
                         AND s.disk_gb - s.reserved_disk_gb + coalesce(p.disk_gb, 0) >= $3) AS "has_room!",
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

/// Locks the server's row and its slots until the end of the transaction. False if the pod no longer fits there.
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
    Ok(locked.is_some_and(|server| server.has_room && server.has_slot))
}

/// Changes what the pod has reserved on its server. False where it would grow and the server lacks the room.
pub async fn reserve(db: &PgPool, fence: &Fence, server_id: &str, wanted: Reservation) -> Result<bool, StoreError> {
    when_unlocked(|| try_to_reserve(db, fence, server_id, wanted)).await
}

async fn try_to_reserve(db: &PgPool, fence: &Fence, server_id: &str, wanted: Reservation) -> Result<bool, StoreError> {
    const WHAT: &str = "the pod's reservation";
    let mut tx = db.begin().await?;
    fence.lock(&mut tx, WHAT).await?;
    sqlx::query!("SELECT FROM pinacle.servers WHERE id = $1 FOR NO KEY UPDATE", server_id).execute(&mut *tx).await?;
    // A reservation that does not grow always fits, even if the server's capacity was lowered since.
    let has_room = sqlx::query_scalar!(
        r#"SELECT greatest($3::real::numeric - coalesce(p.cpu_cores::numeric, 0), 0) <= greatest(s.cpu_cores::numeric - s.reserved_cpu_cores, 0)
                  AND greatest($4::int - coalesce(p.memory_mb, 0), 0) <= greatest(s.memory_mb - s.reserved_memory_mb, 0)
                  AND greatest($5::int - coalesce(p.disk_gb, 0), 0) <= greatest(s.disk_gb - s.reserved_disk_gb, 0) AS "has_room!"
           FROM pinacle.servers s JOIN pinacle.pods p ON p.id = $1 AND p.server_id = s.id WHERE s.id = $2"#,
        fence.pod_id,
        server_id,
        wanted.cpu_cores,
        wanted.memory_mb,
        wanted.disk_gb
    )
    .fetch_optional(&mut *tx)
    .await?;
    if has_room != Some(true) {
        return Ok(false);
    }
    let statement = sqlx::query!(
        "UPDATE pinacle.pods SET cpu_cores = $3, memory_mb = $4, disk_gb = $5 WHERE id = $1 AND lease = $2",
        fence.pod_id,
        fence.lease,
        wanted.cpu_cores,
        wanted.memory_mb,
        wanted.disk_gb
    );
    fence.write(&mut *tx, WHAT, statement).await?;
    tx.commit().await?;
    Ok(true)
}

/// Gives the pod a port of its server that no live pod holds and that is not in `taken`: the lowest that no pod ever
/// had, else the one that was given back first. `None` where there is none left.
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
           LEFT JOIN (SELECT port, released_at FROM pinacle.released_ports WHERE server_id = $4) r USING (port)
           WHERE port <> ALL ($3) AND NOT EXISTS (
               SELECT FROM pinacle.pods WHERE server_id = $4 AND proxy_port = port AND destroyed_at IS NULL)
           ORDER BY r.released_at NULLS FIRST, port LIMIT 1"#,
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

/// Gives back the place, the port and the reservation of a pod that never ran.
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
