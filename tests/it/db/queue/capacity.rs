//! What a server's pods take of it: kept with the server, and never oversold.

use std::sync::Arc;

use pinacle_worker::{
    model::{PodStatus, Reservation},
    store::{
        jobs,
        places::{self, Placement},
        servers,
        steps::Changes,
    },
};
use tokio::task::JoinSet;

use super::{claim, pod};
use crate::support::TestDb;

const DISAGREE: &str = "SELECT count(*) FROM servers s WHERE
    (s.live_pods, s.reserved_cpu_cores, s.reserved_memory_mb, s.reserved_disk_gb) <> (
        SELECT count(*), coalesce(sum(cpu_cores::numeric), 0), coalesce(sum(memory_mb), 0), coalesce(sum(disk_gb), 0)
        FROM pods p WHERE p.server_id = s.id AND p.destroyed_at IS NULL AND p.memory_mb IS NOT NULL)";

async fn server(db: &TestDb, name: &str, memory_mb: i32) -> String {
    sqlx::query_scalar(
        "INSERT INTO servers (name, connection, cpu_cores, memory_mb, disk_gb) VALUES ($1, 'local', 64, $2, 1000)
         RETURNING id",
    )
    .bind(name)
    .bind(memory_mb)
    .fetch_one(&db.pool)
    .await
    .unwrap()
}

/// Whatever is changed, by whomever.
#[tokio::test]
async fn what_is_kept_with_a_server_is_the_sum_over_its_pods() {
    let db = TestDb::new().await;
    for name in ["a", "b", "c"] {
        server(&db, name, 65536).await;
    }
    let any_server = "(SELECT id FROM servers WHERE pods.id IS NOT NULL ORDER BY random() LIMIT 1)";
    let changes = [
        format!("UPDATE pods SET server_id = {any_server} WHERE random() < 0.5"),
        "UPDATE pods SET server_id = NULL, cpu_cores = NULL WHERE random() < 0.2".to_owned(),
        "UPDATE pods SET cpu_cores = (random() * 3)::real, memory_mb = random() * 4096, disk_gb = random() * 50
         WHERE random() < 0.5"
            .to_owned(),
        "UPDATE pods SET destroyed_at = now() WHERE random() < 0.2".to_owned(),
        "UPDATE pods SET destroyed_at = NULL WHERE random() < 0.2".to_owned(),
        "DELETE FROM pods WHERE random() < 0.1".to_owned(),
        "INSERT INTO pods (name, slug, server_id)
         SELECT 'new', 's-' || substr(md5(random()::text), 1, 20), s.id FROM servers s"
            .to_owned(),
        "UPDATE pods SET cpu_cores = 0.1, memory_mb = 100, disk_gb = 1 WHERE name = 'new' AND memory_mb IS NULL"
            .to_owned(),
    ];
    for _ in 0..10 {
        for change in &changes {
            db.execute(change).await;
            assert_eq!(db.text(DISAGREE).await, "0", "after {change}");
        }
    }
    let listed = servers::list(&db.pool).await.unwrap();
    let pods: i64 = listed.iter().map(|server| server.pods).sum();
    let live =
        "SELECT count(*) FROM pods WHERE server_id IS NOT NULL AND destroyed_at IS NULL AND memory_mb IS NOT NULL";
    assert_eq!(pods.to_string(), db.text(live).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn placements_at_the_same_moment_oversell_no_server() {
    let db = Arc::new(TestDb::new().await);
    for (name, memory_mb) in [("a", 3 * 1024), ("b", 2 * 1024 + 512)] {
        server(&db, name, memory_mb).await;
    }
    let mut fences = Vec::new();
    for number in 0..12 {
        let pod = pod(&db, &format!("pod-{number}")).await;
        db.job(&pod, "create").await;
        fences.push(claim(&db, &pod, "a").await.unwrap().fence());
    }
    let mut placements = JoinSet::new();
    for fence in fences {
        let db = Arc::clone(&db);
        let wanted = Reservation { cpu_cores: 0.5, memory_mb: 1024, disk_gb: 10 };
        placements.spawn(async move { places::place(&db.pool, &fence, wanted, None, 100).await.unwrap() });
    }
    let placements = placements.join_all().await;
    let placed = placements.iter().filter(|placement| matches!(placement, Placement::Placed(_))).count();
    assert_eq!(placed, 5, "{placements:?}");
    assert!(placements.iter().all(|placement| matches!(placement, Placement::Placed(_) | Placement::NoRoom)));
    assert_eq!(db.texts("SELECT reserved_memory_mb FROM servers ORDER BY name").await, ["3072", "2048"]);
    assert_eq!(db.text(DISAGREE).await, "0");
}

#[tokio::test]
async fn a_server_that_runs_as_many_jobs_as_it_may_is_not_chosen() {
    let db = TestDb::new().await;
    let (emptiest, other) = (server(&db, "a", 65536).await, server(&db, "b", 32768).await);
    let wanted = Reservation { cpu_cores: 0.5, memory_mb: 1024, disk_gb: 10 };
    let mut placements = Vec::new();
    for number in 0..3 {
        let pod = pod(&db, &format!("pod-{number}")).await;
        db.job(&pod, "create").await;
        let fence = claim(&db, &pod, "a").await.unwrap().fence();
        placements.push(places::place(&db.pool, &fence, wanted, None, 1).await.unwrap());
    }
    assert!(matches!(&placements[0], Placement::Placed(id) if *id == emptiest), "{placements:?}");
    assert!(matches!(&placements[1], Placement::Placed(id) if *id == other), "{placements:?}");
    assert!(matches!(&placements[2], Placement::NoSlot), "{placements:?}");
}

#[tokio::test]
async fn an_open_transaction_of_the_apps_that_chooses_a_server_keeps_nobody_from_it() {
    let db = TestDb::new().await;
    let server = server(&db, "a", 65536).await;
    let mut open = db.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO pods (name, slug, server_id) VALUES ('chosen', 'chosen', $1)")
        .bind(&server)
        .execute(&mut *open)
        .await
        .unwrap();
    let pod = pod(&db, "other").await;
    db.job(&pod, "create").await;
    let fence = claim(&db, &pod, "a").await.unwrap().fence();
    let wanted = Reservation { cpu_cores: 0.5, memory_mb: 1024, disk_gb: 10 };
    let placed = places::place(&db.pool, &fence, wanted, None, 100).await.unwrap();
    assert!(matches!(placed, Placement::Placed(id) if id == server));
    open.commit().await.unwrap();
    assert_eq!(db.text(DISAGREE).await, "0");
}

#[tokio::test]
async fn a_miscount_is_found_and_corrected() {
    let db = TestDb::new().await;
    let server = server(&db, "a", 65536).await;
    db.execute(&format!("INSERT INTO pods (name, slug, server_id) VALUES ('a', 'a', '{server}')")).await;
    db.execute("UPDATE pods SET cpu_cores = 0.5, memory_mb = 1024, disk_gb = 10").await;
    assert_eq!(servers::recount(&db.pool, &server, true).await.unwrap(), None);
    db.execute("UPDATE servers SET reserved_memory_mb = 5, live_pods = 7").await;
    for repair in [false, true] {
        let found = servers::recount(&db.pool, &server, repair).await.unwrap().unwrap();
        assert_eq!(found.kept, "7 pods, 0.5 CPU, 5 MB of memory, 10 GB of disk");
        assert_eq!(found.counted, "1 pods, 0.5 CPU, 1024 MB of memory, 10 GB of disk");
    }
    assert_eq!(servers::recount(&db.pool, &server, true).await.unwrap(), None);
}

/// A browser may still know the one that was there before.
#[tokio::test]
async fn the_port_of_a_destroyed_pod_is_given_out_last() {
    let db = TestDb::new().await;
    let server = server(&db, "a", 65536).await;
    let mut number = 0;
    let mut create = async |taken: &[i32]| {
        number += 1;
        let pod = pod(&db, &format!("pod-{number}")).await;
        db.job(&pod, "create").await;
        let fence = claim(&db, &pod, "a").await.unwrap().fence();
        let wanted = Reservation { cpu_cores: 0.5, memory_mb: 1024, disk_gb: 10 };
        places::place(&db.pool, &fence, wanted, None, 100).await.unwrap();
        let port = places::take_port(&db.pool, &fence, &server, taken).await.unwrap();
        jobs::succeed(&db.pool, &fence, PodStatus::Running, &Changes::default()).await.unwrap();
        (pod, port)
    };
    let destroy = async |pod: &str| {
        db.job(pod, "destroy").await;
        let fence = claim(&db, pod, "a").await.unwrap().fence();
        jobs::succeed(&db.pool, &fence, PodStatus::Terminated, &Changes::default()).await.unwrap();
    };
    let (first, port) = create(&[]).await;
    assert_eq!(port, Some(30_000));
    let (second, port) = create(&[]).await;
    assert_eq!(port, Some(30_001));
    destroy(&second).await;
    destroy(&first).await;
    assert_eq!(create(&[]).await.1, Some(30_002), "nobody had it");
    let all_others: Vec<i32> = (30_003..=40_000).collect();
    assert_eq!(create(&all_others).await.1, Some(30_001), "it was given back first");
    assert_eq!(create(&all_others).await.1, Some(30_000));
    assert_eq!(create(&all_others).await.1, None);
    assert_eq!(db.text("SELECT count(*) FROM released_ports").await, "2");
}
