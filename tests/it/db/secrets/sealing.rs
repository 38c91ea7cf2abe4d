//! A worker seals what it finds plain.

use pinacle_worker::store::secrets::{self, SecretId};
use serde_json::json;

use super::{KEY, dump, key, sealed, sealed_for, store};
use crate::support::{TestDb, Worker, eventually};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_worker_with_a_key_seals_what_is_plain() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &json!({})).await;
    // More than one portion, and one that is in the way.
    for number in 0..230 {
        store(&db, &pod, &format!("PLAIN_{number:03}"), "plain-0123456789").await;
    }
    let foreign = "hpke:v1:0123456789abcdef:".to_owned();
    store(&db, &pod, "FOREIGN", &foreign).await;
    let held_pod = db.pod("b", &json!({})).await;
    store(&db, &held_pod, "HELD", "held-0123456789").await;
    let mut held = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM pod_secrets WHERE name = 'HELD' FOR UPDATE").execute(&mut *held).await.unwrap();

    let worker = Worker::start_with(&db, &[("SECRETS_KEY", KEY)]).await;
    eventually("all that nobody holds to be sealed", async || (sealed_for(&db, KEY).await.len() == 230).then_some(()))
        .await;
    let dump = dump(&db).await;
    assert!(!dump.contains("plain-0123456789") && dump.contains(&foreign), "{dump}");
    eventually("a report", async || worker.log().contains("230 are sealed now, 1 are not yet").then_some(())).await;
    assert!(worker.log().contains("\"HELD\" (env)"), "{}", worker.log());
    assert!(!worker.log().contains("0123456789"), "no value is in the log");
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn a_worker_without_a_key_seals_nothing() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &json!({})).await;
    store(&db, &pod, "PLAIN", "plain").await;
    let worker = Worker::start(&db).await;
    eventually("the schedule's first run", async || worker.log().contains("The log cleanup deleted").then_some(()))
        .await;
    assert!(dump(&db).await.contains("plain"));
}

#[tokio::test]
async fn a_value_that_changed_meanwhile_stays() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &json!({})).await;
    store(&db, &pod, "A", "new").await;
    let id = SecretId { pod_id: pod.clone(), kind: "env".to_owned(), name: "A".to_owned() };
    assert!(!secrets::replace(&db.pool, &id, &"old".into(), &sealed(KEY, &pod, "A", "old")).await.unwrap());
    assert_eq!(db.text("SELECT value FROM pod_secrets").await, "new");
    assert!(secrets::replace(&db.pool, &id, &"new".into(), &sealed(KEY, &pod, "A", "new")).await.unwrap());
    assert_eq!(sealed_for(&db, KEY).await, ["A"]);
}

/// What is sealed is larger than what is in it, and a pod that has all that it may have is sealed, too.
#[tokio::test]
async fn a_sealed_value_counts_as_what_is_in_it() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &json!({})).await;
    for length in (0..20).chain([MIB]) {
        let sealed = sealed(KEY, &pod, "A", &"x".repeat(length));
        let counted: i32 =
            sqlx::query_scalar("SELECT secret_bytes($1)").bind(&sealed).fetch_one(&db.pool).await.unwrap();
        assert_eq!(usize::try_from(counted).unwrap(), length);
    }
    store(&db, &pod, "A", &"x".repeat(MIB / 2)).await;
    store(&db, &pod, "B", &"x".repeat(MIB / 2 - 2)).await;
    let one_more = db.try_execute("UPDATE pod_secrets SET value = value || 'x' WHERE name = 'A'").await;
    assert!(one_more.unwrap_err().to_string().contains("1 MiB"));
    let _worker = Worker::start_with(&db, &[("SECRETS_KEY", KEY)]).await;
    eventually("both to be sealed", async || (sealed_for(&db, KEY).await.len() == 2).then_some(())).await;
    let too_much = sealed(KEY, &pod, "A", &"x".repeat(MIB / 2 + 1));
    let too_much = sqlx::query("UPDATE pod_secrets SET value = $1 WHERE name = 'A'").bind(too_much).execute(&db.pool);
    assert!(too_much.await.unwrap_err().to_string().contains("1 MiB"));
    let read = secrets::of_pod(&db.pool, &pod).await.unwrap().expect("no more than 1 MiB");
    assert_eq!(read.len(), 2);
}

/// Each costs a worker the time to open it.
#[tokio::test]
async fn a_pod_has_so_many_secrets_at_most() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &json!({})).await;
    let many = "INSERT INTO pod_secrets (pod_id, kind, name, value) SELECT id, 'env', 'A' || n, 'x' FROM pods, generate_series";
    db.execute(&format!("{many}(1, 4096) n")).await;
    let error = db.try_execute(&format!("{many}(5000, 5000) n")).await.unwrap_err().to_string();
    assert!(error.contains("no more than 4096"), "{error}");
    db.execute("UPDATE pod_secrets SET value = 'y' WHERE name = 'A1'").await;
    assert_eq!(secrets::of_pod(&db.pool, &pod).await.unwrap().unwrap().len(), 4096);
    db.forge(&format!("{many}(5000, 5000) n")).await;
    assert!(secrets::of_pod(&db.pool, &pod).await.unwrap().is_none());
    assert_eq!(secrets::count(&db.pool, Some(key(KEY).id()), &[]).await.unwrap().plain, 4097);
}
