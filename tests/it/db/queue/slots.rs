//! How many creates, starts and restarts run at once, of an owner and on a server, across all workers.

use std::{net::TcpListener, sync::Arc};

use pinacle_worker::{
    model::{JobLimits, JobStatus},
    store::{
        jobs::{self, Claimant, Claimed},
        wakeups::Queue,
    },
};
use tokio::task::JoinSet;

use super::{DEADLINE, pod, status};
use crate::support::{TestDb, Worker};

const WOKEN: &str = "SELECT convert_from(job, 'UTF8') FROM apalis.jobs WHERE status = 'Pending' ORDER BY id";

fn limits(per_worker: u32, per_server: u32, per_owner: u32) -> JobLimits {
    JobLimits { per_worker, per_server, per_owner }
}

async fn claim_within(db: &TestDb, pod: &str, worker: &str, limits: JobLimits) -> Option<Claimed> {
    let claimant = Claimant { worker, queue: Some(Queue::Ordinary), deadline: DEADLINE, limits };
    jobs::claim(&db.pool, pod, "no wakeup", &claimant).await.unwrap()
}

/// Pods of an owner, each with a job of this kind, and no wakeup.
async fn pods_of(db: &TestDb, owner: &str, server: Option<&str>, kind: &str, count: usize) -> Vec<(String, String)> {
    let mut pods = Vec::new();
    for number in 0..count {
        let pod = pod(db, &format!("{owner}-{number}")).await;
        sqlx::query("UPDATE pods SET owner_id = nullif($2, 'nobody'), server_id = $3 WHERE id = $1")
            .bind(&pod)
            .bind(owner)
            .bind(server)
            .execute(&db.pool)
            .await
            .unwrap();
        let job = db.job(&pod, kind).await;
        pods.push((pod, job));
    }
    db.execute("DELETE FROM apalis.jobs").await;
    pods
}

async fn held_by(db: &TestDb, job: &str) -> String {
    db.text(&format!("SELECT held_by FROM pod_jobs WHERE id = '{job}'")).await
}

async fn end(db: &TestDb, claimed: &Claimed) {
    jobs::close(&db.pool, &claimed.fence(), JobStatus::Failed, "").await.unwrap();
}

#[tokio::test]
async fn an_owners_jobs_are_bounded_across_workers_and_the_next_is_woken_by_an_end() {
    let db = TestDb::new().await;
    let bound = limits(100, 100, 3);
    let pods = pods_of(&db, "x", None, "create", 6).await;
    let mut running = Vec::new();
    for (number, (pod, _)) in pods.iter().enumerate() {
        running.extend(claim_within(&db, pod, ["a", "b"][number % 2], bound).await);
    }
    assert_eq!(running.len(), 3);
    for (_, job) in &pods[3..] {
        assert_eq!((status(&db, job).await.as_str(), held_by(&db, job).await.as_str()), ("queued", "owner:x"));
    }
    assert_eq!(db.texts(WOKEN).await, Vec::<String>::new());
    // Another owner's, and those of nobody, are not concerned.
    for owner in ["y", "nobody"] {
        let others = pods_of(&db, owner, None, "create", 1).await;
        assert!(claim_within(&db, &others[0].0, "a", bound).await.is_some(), "{owner}");
    }

    // The last of them goes first, by its priority.
    db.execute(&format!("UPDATE pod_jobs SET priority = 1 WHERE id = '{}'", pods[5].1)).await;
    for next in [&pods[5], &pods[3]] {
        end(&db, &running.remove(0)).await;
        assert_eq!(db.texts(WOKEN).await, [format!("\"{}\"", next.0)]);
        db.execute("DELETE FROM apalis.jobs").await;
        running.push(claim_within(&db, &next.0, "b", bound).await.unwrap());
        assert!(claim_within(&db, &pods[4].0, "b", bound).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_at_the_same_moment_do_not_exceed_the_bounds() {
    let db = Arc::new(TestDb::new().await);
    let server = db.local_server().await;
    let bound = limits(100, 4, 3);
    let mut pods = pods_of(&db, "x", Some(&server), "restart", 6).await;
    pods.extend(pods_of(&db, "y", Some(&server), "restart", 6).await);
    let mut claims = JoinSet::new();
    for (number, (pod, _)) in pods.into_iter().enumerate() {
        let db = Arc::clone(&db);
        claims.spawn(async move { claim_within(&db, &pod, ["a", "b"][number % 2], bound).await });
    }
    let claimed = claims.join_all().await.into_iter().flatten().count();
    assert_eq!(claimed, 4);
    let of_one = "SELECT max(n) FROM (SELECT count(*) n FROM pod_jobs WHERE status = 'running' GROUP BY slot_owner) t";
    assert!(db.text(of_one).await.parse::<u32>().unwrap() <= 3);
}

#[tokio::test]
async fn one_owner_leaves_the_last_slot_of_a_server_and_of_a_worker() {
    let db = TestDb::new().await;
    let server = db.local_server().await;
    let of_x = pods_of(&db, "x", Some(&server), "start", 3).await;
    let of_y = pods_of(&db, "y", Some(&server), "start", 2).await;
    let bound = limits(100, 3, 100);
    let first = claim_within(&db, &of_x[0].0, "a", bound).await.unwrap();
    assert!(claim_within(&db, &of_x[1].0, "a", bound).await.is_some());
    assert!(claim_within(&db, &of_x[2].0, "a", bound).await.is_none());
    assert_eq!(held_by(&db, &of_x[2].1).await, format!("owner:x server:{server}"));
    assert!(claim_within(&db, &of_y[0].0, "a", bound).await.is_some());
    assert!(claim_within(&db, &of_y[1].0, "a", bound).await.is_none());
    assert_eq!(held_by(&db, &of_y[1].1).await, format!("server:{server}"));
    end(&db, &first).await;
    let mut woken = db.texts(WOKEN).await;
    woken.sort();
    let mut both = [format!("\"{}\"", of_x[2].0), format!("\"{}\"", of_y[1].0)];
    both.sort();
    assert_eq!(woken, both, "the slot is the owner's and the server's");

    let small = limits(2, 100, 100);
    let of_z = pods_of(&db, "z", None, "start", 2).await;
    assert!(claim_within(&db, &of_z[0].0, "small", small).await.is_some());
    assert!(claim_within(&db, &of_z[1].0, "small", small).await.is_none(), "of two slots, one is for others");
    assert!(claim_within(&db, &of_z[1].0, "other", small).await.is_some(), "another worker has its own");
}

#[tokio::test]
async fn creates_that_are_not_placed_share_what_the_servers_have_left() {
    let db = TestDb::new().await;
    let bound = limits(100, 2, 100);
    let pods = pods_of(&db, "nobody", None, "create", 4).await;
    assert!(claim_within(&db, &pods[0].0, "a", bound).await.is_some(), "without a server there is nothing to wait for");
    let server = db.local_server().await;
    let placed = pods_of(&db, "x", Some(&server), "start", 1).await;
    db.execute(&format!("UPDATE pod_jobs SET slot_server = '{server}' WHERE id = '{}'", pods[0].1)).await;
    let start = claim_within(&db, &placed[0].0, "a", bound).await.unwrap();
    assert!(claim_within(&db, &pods[1].0, "a", bound).await.is_none());
    assert_eq!(held_by(&db, &pods[1].1).await, "servers");
    end(&db, &start).await;
    assert_eq!(db.texts(WOKEN).await, [format!("\"{}\"", pods[1].0)]);
    assert!(claim_within(&db, &pods[1].0, "a", bound).await.is_some());

    // What a new server brings is found by the sweep.
    assert!(claim_within(&db, &pods[2].0, "a", bound).await.is_none());
    db.execute("DELETE FROM apalis.jobs").await;
    jobs::wake_held(&db.pool, &mut None).await.unwrap();
    assert_eq!(db.texts(WOKEN).await, [format!("\"{}\"", pods[2].0)]);
}

#[tokio::test]
async fn a_held_job_that_is_cancelled_waits_for_no_slot() {
    let db = TestDb::new().await;
    let bound = limits(100, 100, 1);
    let pods = pods_of(&db, "x", None, "create", 2).await;
    let retried = claim_within(&db, &pods[1].0, "a", bound).await.unwrap();
    jobs::release(&db.pool, &retried.fence()).await.unwrap();
    claim_within(&db, &pods[0].0, "a", bound).await.unwrap();
    assert!(claim_within(&db, &pods[1].0, "a", bound).await.is_none());
    jobs::cancel(&db.pool, &pods[1].1).await.unwrap();
    assert!(claim_within(&db, &pods[1].0, "a", bound).await.unwrap().cancel_reason.is_some());
}

/// Each kind is claimed by its own workers; a wakeup that comes to the others is passed on.
#[tokio::test]
async fn a_wakeup_for_another_kind_is_passed_on() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    db.job(&pod, "stop").await;
    assert_eq!(db.texts("SELECT job_type FROM apalis.jobs").await, ["pods.urgent"]);
    db.execute("DELETE FROM apalis.jobs").await;
    assert!(claim_within(&db, &pod, "a", limits(1, 1, 1)).await.is_none());
    assert_eq!(db.texts("SELECT job_type FROM apalis.jobs").await, ["pods.urgent"]);
    let urgent = Claimant { worker: "a", queue: Some(Queue::Urgent), deadline: DEADLINE, limits: limits(1, 1, 1) };
    assert!(jobs::claim(&db.pool, &pod, "no wakeup", &urgent).await.unwrap().is_some());
}

/// The host takes the connection and never says a word, so that each create waits.
#[tokio::test]
async fn creates_of_one_owner_keep_neither_a_destroy_nor_another_owner_waiting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for concurrency in ["2", "100"] {
        let db = TestDb::new().await;
        db.ssh_server("silent", silent.local_addr().unwrap().port()).await;
        let _worker = Worker::start_with(&db, &[("CONCURRENCY", concurrency)]).await;
        let mut of_x = Vec::new();
        for number in 0..10 {
            let pod = pod(&db, &format!("x-{number}")).await;
            db.execute(&format!("UPDATE pods SET owner_id = 'x' WHERE id = '{pod}'")).await;
            of_x.push(db.job(&pod, "create").await);
        }
        let running = if concurrency == "2" { 1 } else { 9 };
        let of_x_waits = format!(
            "SELECT count(*) FILTER (WHERE status = 'running') = {running} AND bool_and(attempt <= 1)
                    AND count(*) FILTER (WHERE held_by IS NOT NULL) = {} FROM pod_jobs WHERE kind = 'create'",
            10 - running
        );
        db.until(&of_x_waits).await;

        let (created, destroyed) = (pod(&db, "y-create").await, pod(&db, "y-destroy").await);
        db.execute("UPDATE pods SET owner_id = 'y' WHERE slug LIKE 'y-%'").await;
        let (destroy, create) = (db.job(&destroyed, "destroy").await, db.job(&created, "create").await);
        db.until(&format!("SELECT status = 'succeeded' FROM pod_jobs WHERE id = '{destroy}'")).await;
        db.until(&format!("SELECT status = 'running' FROM pod_jobs WHERE id = '{create}'")).await;
        let began = format!(
            "SELECT count(*) FROM pod_jobs WHERE id = ANY ('{{{}}}') AND started_at IS NOT NULL",
            of_x.join(",")
        );
        assert_eq!(db.text(&began).await, running.to_string(), "no create of the first owner had to end for that");
    }
}

/// A worker fetches more wakeups than it has slots for; it offers them, and the next worker with a slot takes them.
#[tokio::test]
async fn wakeups_that_wait_for_a_slot_are_offered_to_other_workers() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
    // Nobody is placed while this is locked, so every job that has a slot keeps it.
    let mut lock = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM servers FOR UPDATE").execute(&mut *lock).await.unwrap();
    let settings = |concurrency: &'static str| [("CONCURRENCY", concurrency), ("MAX_JOBS_PER_SERVER", "100")];
    let running = |count: u32| format!("SELECT count(*) = {count} FROM pod_jobs WHERE status = 'running'");
    let _small = Worker::start_with(&db, &settings("4")).await;
    pods_of_nobody(&db, "first", 3).await;
    db.until(&running(3)).await;
    // One of them has a slot, and all are fetched with it.
    pods_of_nobody(&db, "then", 4).await;
    db.until(&running(4)).await;
    db.until("SELECT count(*) = 3 AND bool_and(status = 'Pending') FROM apalis.jobs WHERE job_type = 'pods'").await;

    let _other = Worker::start_with(&db, &settings("100")).await;
    db.until(&running(7)).await;
    assert_eq!(db.text("SELECT count(DISTINCT worker) FROM pod_jobs").await, "2");
}

/// Pods with a create each, all in one statement.
async fn pods_of_nobody(db: &TestDb, name: &str, count: u32) {
    db.execute(&format!(
        "WITH new AS (
             INSERT INTO pods (name, slug) SELECT 'a', '{name}-' || g FROM generate_series(1, {count}) g RETURNING id)
         INSERT INTO pod_jobs (pod_id, kind) SELECT id, 'create' FROM new"
    ))
    .await;
}
