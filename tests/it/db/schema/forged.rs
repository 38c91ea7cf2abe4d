//! Rows that an app may insert, and what it may not decide by them.

use serde_json::json;

use crate::support::{TestDb, Worker};

/// For a role that may do all, too.
#[tokio::test]
async fn the_workers_columns_are_the_databases_to_set() {
    let db = TestDb::new().await;
    let untouched = ["name", "slug", "config", "server_id", "owner_id", "id", "pod_id", "kind", "payload", "priority"];
    for (table, plain, key) in [
        ("pods", "(id, name, slug) VALUES ('$', 'a', '$')", "id, slug"),
        (
            "pod_jobs",
            "(id, pod_id, kind, max_attempts, requested_by) VALUES ('$', 'plain', 'create', 5, 'me')",
            "id, position",
        ),
    ] {
        db.execute(&format!("INSERT INTO {table} {}", plain.replace('$', "plain"))).await;
        let columns = db
            .texts(&format!(
                "SELECT column_name || ' ' || data_type FROM information_schema.columns
                 WHERE table_schema = 'pinacle' AND table_name = '{table}' ORDER BY ordinal_position"
            ))
            .await;
        for column in &columns {
            let (name, kind) = column.split_once(' ').unwrap();
            if untouched.contains(&name) || ["max_attempts", "requested_by", "run_at"].contains(&name) {
                continue;
            }
            let value = match kind {
                "timestamp with time zone" => "'infinity'",
                "bigint" => "9223372036854775807",
                "integer" => "2147483647",
                "real" => "'NaN'",
                "boolean" => "true",
                _ => "'running'",
            };
            let id = format!("with-{}", name.replace('_', "-"));
            let forged = plain.replace('$', &id).replacen(") VALUES (", &format!(", {name}) VALUES ("), 1);
            let forged = format!("{}, {value})", forged.strip_suffix(')').unwrap());
            db.execute(&format!("INSERT INTO {table} {forged}")).await;
            let differs = format!(
                "SELECT to_jsonb(a) - string_to_array('{key}, created_at, updated_at, run_at', ', ')
                        = to_jsonb(b) - string_to_array('{key}, created_at, updated_at, run_at', ', ')
                 FROM {table} a, {table} b WHERE a.id = 'plain' AND b.id = '{id}'"
            );
            assert_eq!(db.text(&differs).await, "true", "{table}.{name}");
        }
        let fresh = format!("SELECT bool_and(created_at BETWEEN now() - interval '5 minutes' AND now()) FROM {table}");
        assert_eq!(db.text(&fresh).await, "true");
    }
}

#[tokio::test]
async fn what_is_too_large_or_too_late_is_refused_with_a_sentence() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &json!({})).await;
    let job = |columns: &str, values: &str| {
        format!("INSERT INTO pod_jobs (pod_id, kind, {columns}) VALUES ('{pod}', 'create', {values})")
    };
    let secret = |name: &str, bytes: usize| {
        format!(
            "INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{pod}', 'env', '{name}', repeat('x', {bytes}))"
        )
    };
    for (statement, sentence) in [
        (
            "INSERT INTO pods (name, slug, config) VALUES ('b', 'b', jsonb_build_object('a', repeat('x', 262144)))"
                .to_owned(),
            "256 KiB",
        ),
        ("UPDATE pods SET config = jsonb_build_object('a', repeat('x', 16000000))".to_owned(), "256 KiB"),
        ("INSERT INTO pods (name, slug) VALUES (repeat('x', 65537), 'b')".to_owned(), "64 KiB"),
        (job("id", "repeat('x', 7900)"), "up to 100 letters"),
        (job("payload", "jsonb_build_object('a', repeat('x', 65536))"), "64 KiB"),
        (job("requested_by", "repeat('x', 65537)"), "64 KiB"),
        (job("run_at", "'infinity'"), "9999"),
        (job("run_at", "'294276-01-01'"), "9999"),
        (secret("A", 16_000_000), "1 MiB"),
    ] {
        let error = db.try_execute(&statement).await.expect_err(&statement).to_string();
        assert!(error.contains(sentence), "{statement}: {error}");
    }
    db.execute(&secret("A", 600_000)).await;
    assert!(db.try_execute(&secret("B", 600_000)).await.is_err(), "all secrets of a pod together");
    db.execute("UPDATE pod_secrets SET name = 'C'").await;
    let thief = db.pod("thief", &json!({})).await;
    let moved = db.try_execute(&format!("UPDATE pod_secrets SET pod_id = '{thief}'")).await.unwrap_err().to_string();
    assert!(moved.contains("can't be given to another pod"), "{moved}");
    db.execute("UPDATE pod_secrets SET value = repeat('x', 1000000)").await;
    let moments =
        [job("run_at", "'-infinity'"), job("run_at", "'4713-01-01 BC'"), job("run_at", "now() - interval '1 day'")];
    for long_due in moments {
        db.execute(&long_due).await;
    }
    assert_eq!(db.text("SELECT count(*) FROM pod_jobs WHERE run_at = created_at").await, "3", "they are due now");
}

/// Somebody has damaged a row by hand.
#[tokio::test]
async fn a_lease_beyond_all_numbers_fails_its_own_pod_with_a_sentence() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    for lease in ["9223372036854775807", "-1"] {
        let pod = db.pod(&format!("a{lease}"), &json!({})).await;
        db.forge(&format!("UPDATE pods SET lease = {lease} WHERE id = '{pod}'")).await;
        let error = db.refused(&pod, "destroy").await;
        assert!(error.contains(&pod) && error.contains(lease) && error.contains("Set pods.lease"), "{error}");
        let bystander = db.pod(&format!("b{lease}"), &json!({})).await;
        db.done(&bystander, "destroy").await;
    }
    // Its worker is gone, and the sweep takes the others' back all the same.
    let (damaged, bystander) = (db.pod("c", &json!({})).await, db.pod("d", &json!({})).await);
    let jobs = [db.job(&damaged, "stop").await, db.job(&bystander, "stop").await];
    for job in &jobs {
        db.end_of(job).await;
    }
    db.forge(&format!(
        "UPDATE pods SET lease = 9223372036854775807 WHERE id = '{damaged}';
         UPDATE pod_jobs SET status = 'running', kind = 'destroy', worker = 'gone', heartbeat_at = 'epoch', finished_at = NULL
         WHERE id IN ('{}', '{}')",
        jobs[0], jobs[1]
    ))
    .await;
    assert_eq!(db.end_of(&jobs[1]).await.status, "succeeded");
    assert_eq!(db.end_of(&jobs[0]).await.status, "failed");
}
