//! The queue alone: jobs without commands on a host, beside graphile-worker on the same PostgreSQL.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    peers::Graphile,
    rounds,
    support::{TestDb, Worker},
    table::{Series, Table, Target},
};

/// How many jobs each of the two runs at a time.
const CONCURRENCY: usize = 16;
/// The pause before each job, so that the queue is idle.
const IDLE: Duration = Duration::from_millis(100);
/// The pause between two counts of a drain's unfinished jobs; a count costs the database time.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Jobs at each end of a drain that are not measured: the worker is starting, or has too few left to be busy.
const EDGE: usize = 100;
/// Pods that were destroyed before: a queue in use has a history, and PostgreSQL plans by it.
const HISTORY: usize = 50_000;
/// How many jobs wait when a worker starts, and how many of them are measured.
const SMALL: Drain = Drain { backlog: 1_000, finished: 1_000 };
const LARGE: Drain = Drain { backlog: 20_000, ..SMALL };
const WHOLE: Drain = Drain { backlog: 2_000, finished: 2_000 };

const MAX_CLAIM_RATIO: f64 = 1.5;
const MIN_RATE: f64 = 600.0;
const MIN_RATIO: f64 = 0.5;
const MIN_BACKLOG_RATIO: f64 = 0.9;

type Peer = Result<Graphile, String>;

#[derive(Clone, Copy)]
struct Drain {
    backlog: usize,
    finished: usize,
}

/// The result of a drain: jobs a second, and the rows a second of the insert before it.
struct Drained {
    rate: f64,
    inserted: f64,
}

pub async fn measure(table: &mut Table) {
    let mut peer = Graphile::start(CONCURRENCY).await;
    claims(table, &mut peer).await;
    drains(table, &mut peer).await;
}

async fn claims(table: &mut Table, peer: &mut Peer) {
    let db = TestDb::new().await;
    let _worker = worker(&db).await;
    if let Ok(peer) = peer {
        peer.send("listen").await;
    }
    let (mut ours, mut theirs) = (vec![], vec![]);
    // The first of each is not measured. A round is short, so there are more of them.
    for round in 0..=2 * rounds() {
        let pod = db.pod(&format!("bench-{round}"), &json!({})).await;
        let our = commit_to_claim(&db, &pod).await;
        tokio::time::sleep(IDLE).await;
        let their = match peer {
            Ok(peer) => peer.figure(&json!({ "do": "claim" }), "ms").await,
            Err(_) => f64::NAN,
        };
        tokio::time::sleep(IDLE).await;
        if round > 0 {
            ours.push(our);
            theirs.push(their);
        }
    }
    if let Ok(peer) = peer {
        peer.send("rest").await;
    }
    let ours = Series { what: "commit to claim, idle queue", figures: ours };
    beside(table, "ms", &ours, theirs, peer, &[Target::RatioAtMost(MAX_CLAIM_RATIO)]);
}

/// The time from right before the commit to the claim, by the database's clock, in milliseconds.
async fn commit_to_claim(db: &TestDb, pod: &str) -> f64 {
    let mut tx = db.pool.begin().await.unwrap();
    let insert = sqlx::query_scalar("INSERT INTO pod_jobs (pod_id, kind) VALUES ($1, 'destroy') RETURNING id");
    let job: String = insert.bind(pod).fetch_one(&mut *tx).await.unwrap();
    let clock = sqlx::query_scalar("SELECT extract(epoch FROM clock_timestamp())::float8");
    let committed: f64 = clock.fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.end_of(&job).await.status, "succeeded");
    let started = sqlx::query_scalar("SELECT extract(epoch FROM started_at)::float8 FROM pod_jobs WHERE id = $1");
    let started: f64 = started.bind(&job).fetch_one(&db.pool).await.unwrap();
    (started - committed) * 1000.0
}

async fn drains(table: &mut Table, peer: &mut Peer) {
    let (_used, name) = with_history().await;
    let (mut whole, mut small, mut large) = (vec![], vec![], vec![]);
    let mut theirs: [Vec<f64>; 2] = [vec![], vec![]];
    for _ in 0..rounds() {
        whole.push(drain(&name, WHOLE).await);
        theirs[0].push(drain_of(peer, WHOLE).await);
        small.push(drain(&name, SMALL).await);
        large.push(drain(&name, LARGE).await);
        theirs[1].push(drain_of(peer, LARGE).await);
    }
    let rates = |drains: &[Drained]| drains.iter().map(|drained| drained.rate).collect();
    let inserts = |drains: &[Drained]| drains.iter().map(|drained| drained.inserted).collect();
    let [theirs_whole, theirs_large] = theirs;

    let ours = Series { what: "jobs without a host command, 2,000 of them", figures: rates(&whole) };
    let targets = [Target::AtLeast(MIN_RATE), Target::RatioAtLeast(MIN_RATIO)];
    beside(table, "jobs/s", &ours, theirs_whole, peer, &targets);
    let ours = Series { what: "the first 1,000 of 20,000 that wait", figures: rates(&large) };
    beside(table, "jobs/s", &ours, theirs_large, peer, &[]);
    table.compared(
        "jobs/s",
        &Series { what: "the first 1,000 of 20,000 that wait, and the rate of fewer", figures: rates(&large) },
        &Series { what: "ours, 1,000 that wait", figures: rates(&small) },
        &[Target::RatioAtLeast(MIN_BACKLOG_RATIO)],
    );
    table.compared(
        "rows/s",
        &Series { what: "insert of 20,000 jobs in one statement", figures: inserts(&large) },
        &Series { what: "ours, of 1,000", figures: inserts(&small) },
        &[Target::RatioAtLeast(MIN_RATIO)],
    );
}

fn beside(table: &mut Table, unit: &str, ours: &Series, theirs: Vec<f64>, peer: &Peer, targets: &[Target]) {
    match peer {
        Ok(_) => table.compared(unit, ours, &Series { what: "graphile-worker", figures: theirs }, targets),
        Err(why) => table.alone(unit, ours, why, targets),
    }
}

async fn worker(db: &TestDb) -> Worker {
    Worker::start_with(db, &[("CONCURRENCY", &CONCURRENCY.to_string())]).await
}

/// A database with many finished jobs, to be copied, and its name.
async fn with_history() -> (TestDb, String) {
    let db = TestDb::new().await;
    for statement in [
        "ALTER TABLE pods DISABLE TRIGGER USER".to_owned(),
        "ALTER TABLE pod_jobs DISABLE TRIGGER USER".to_owned(),
        format!(
            "INSERT INTO pods (id, name, slug, status, lease, destroyed_at)
             SELECT 'pod_old_' || n, 'old', 'old-' || n, 'terminated', 1, now() FROM generate_series(1, {HISTORY}) n"
        ),
        "INSERT INTO pod_jobs (pod_id, kind, status, attempt, lease, position, started_at, finished_at)
         SELECT id, 'destroy', 'succeeded', 1, 1, nextval('pod_jobs_position'), now(), now() FROM pods"
            .to_owned(),
        "ALTER TABLE pods ENABLE TRIGGER USER".to_owned(),
        "ALTER TABLE pod_jobs ENABLE TRIGGER USER".to_owned(),
        "VACUUM ANALYZE".to_owned(),
    ] {
        db.execute(&statement).await;
    }
    let name = db.text("current_database()").await;
    // PostgreSQL copies a database only if nobody is connected to it.
    db.pool.close().await;
    (db, name)
}

/// Measures a worker that finds a backlog, in a database of its own.
async fn drain(used: &str, Drain { backlog, finished }: Drain) -> Drained {
    let db = TestDb::create(Some(used)).await;
    let pods = format!(
        "INSERT INTO pods (id, name, slug) SELECT 'pod_new_' || n, 'new', 'new-' || n FROM generate_series(1, {backlog}) n"
    );
    db.execute(&pods).await;
    let jobs = "INSERT INTO pod_jobs (pod_id, kind) SELECT id, 'destroy' FROM pods WHERE destroyed_at IS NULL";
    let began = Instant::now();
    db.execute(jobs).await;
    let inserted = per_second(backlog, began.elapsed().as_secs_f64());

    let worker = worker(&db).await;
    let unfinished = "SELECT count(*) FROM pod_jobs WHERE status IN ('queued', 'retrying', 'running')";
    while db.text(unfinished).await.parse::<usize>().unwrap() > backlog - finished {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    worker.kill();
    let amiss = "SELECT count(*) FROM pod_jobs WHERE status IN ('failed', 'cancelled', 'retrying')";
    assert_eq!(db.text(amiss).await, "0", "jobs that did not succeed");
    let seconds = format!(
        "SELECT extract(epoch FROM max(finished_at) - min(finished_at)) FROM (
             SELECT finished_at FROM pod_jobs WHERE status = 'succeeded' AND pod_id LIKE 'pod_new_%'
             ORDER BY finished_at OFFSET {EDGE} - 1 LIMIT {}) AS measured",
        finished - 2 * EDGE + 1
    );
    Drained { rate: per_second(finished - 2 * EDGE, db.text(&seconds).await.parse().unwrap()), inserted }
}

async fn drain_of(peer: &mut Peer, Drain { backlog, finished }: Drain) -> f64 {
    let drain: Value = json!({ "do": "drain", "backlog": backlog, "from": EDGE, "to": finished - EDGE });
    match peer {
        Ok(peer) => peer.figure(&drain, "rate").await,
        Err(_) => f64::NAN,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}
