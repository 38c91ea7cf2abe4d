//! Every value that a column's type can hold, inserted by a role that may do all: it is refused with a sentence, or its
//! own job ends, and a bystander's jobs run as if nothing were.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker};

/// SQL for the ends of a type, and for what is odd in between.
fn values(kind: &str) -> Vec<String> {
    let quoted = |values: &[&str]| values.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>();
    match kind {
        "text" => {
            let odd =
                ["", " ", "a", "-", "../../etc", "a''b", "$(id)", "%s%n", "running", "ä😀\u{202e}", "\\", "pod_a;--"];
            let mut texts = quoted(&odd);
            texts.extend(["E'\\n'".to_owned(), "E'\\x01\\x7f'".to_owned(), "NULL".to_owned()]);
            texts.extend(
                [100, 101, 7_900, 65_536, 65_537, 300_000, 3_000_000].map(|length| format!("repeat('x', {length})")),
            );
            texts
        }
        "integer" => ["-2147483648", "-1", "0", "1", "2147483647", "NULL"].map(str::to_owned).to_vec(),
        "bigint" => ["-9223372036854775808", "-1", "0", "9223372036854775807", "NULL"].map(str::to_owned).to_vec(),
        "real" => quoted(&["NaN", "Infinity", "-Infinity", "0", "-1", "3.4e38", "1e-45"]),
        "timestamp with time zone" => quoted(&[
            "infinity",
            "-infinity",
            "epoch",
            "4713-01-01 BC",
            "294276-12-31",
            "9999-12-31",
            "10000-01-01",
            "now",
            "tomorrow",
        ]),
        "jsonb" => {
            let odd = [
                "null",
                "true",
                "0",
                "-1e308",
                "1e400",
                "\"\"",
                "[]",
                "[[]]",
                "{}",
                "{\"\": null}",
                "{\"tier\": null}",
                "{\"environment\": [1]}",
                "{\"unknown\": 1}",
            ];
            let mut documents = quoted(&odd);
            documents.push("('[' || repeat('[', 1000) || repeat(']', 1000) || ']')::jsonb".to_owned());
            documents.extend([65_536, 300_000].map(|length| format!("jsonb_build_object('a', repeat('x', {length}))")));
            documents
        }
        "boolean" => ["true", "false", "NULL"].map(str::to_owned).to_vec(),
        other => panic!("a column of type {other}: say what its ends are"),
    }
}

async fn columns(db: &TestDb, table: &str) -> Vec<(String, String)> {
    let columns = db
        .texts(&format!(
            "SELECT column_name || '|' || data_type FROM information_schema.columns
             WHERE table_schema = 'pinacle' AND table_name = '{table}' ORDER BY ordinal_position"
        ))
        .await;
    columns.iter().map(|column| column.split_once('|').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// Inserts a row with one column set beside those that it needs. False where it was refused, which says why.
async fn insert(db: &TestDb, table: &str, needed: &[(&str, &str)], column: &str, value: &str) -> bool {
    let mut row: Vec<(&str, &str)> = needed.iter().filter(|(name, _)| *name != column).copied().collect();
    row.push((column, value));
    let (names, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
    let statement = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
    match db.try_execute(&statement).await {
        Ok(_) => true,
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 2_000 && !said.is_empty(), "{statement:.300}: {said:.3000}");
            false
        }
    }
}

#[tokio::test]
async fn whatever_a_row_holds_hurts_its_own_pod_alone() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let bystander = db.pod("bystander", &json!({})).await;
    let worker = Worker::start(&db).await;
    db.done(&bystander, "create").await;

    let (mut tried, mut taken) = (0, 0);
    let mut number = 0;
    for table in ["pods", "pod_jobs", "pod_secrets"] {
        for (column, kind) in columns(&db, table).await {
            for value in values(&kind) {
                number += 1;
                tried += 1;
                let (id, slug) = (format!("'odd_{number}'"), format!("'odd-{number}'"));
                let pod = [("id", &*id), ("name", "'odd'"), ("slug", &slug)];
                let job = [("pod_id", &*id), ("kind", "'destroy'")];
                let accepted = if table == "pods" {
                    let accepted = insert(&db, "pods", &pod, &column, &value).await;
                    if accepted {
                        // Whatever its id is.
                        db.execute(
                            "INSERT INTO pod_jobs (pod_id, kind)
                             SELECT id, 'destroy' FROM pods p WHERE NOT EXISTS (SELECT FROM pod_jobs j WHERE j.pod_id = p.id)",
                        )
                        .await;
                    }
                    accepted
                } else {
                    insert(&db, "pods", &pod, "owner_id", "'owner'").await;
                    if table == "pod_jobs" {
                        insert(&db, "pod_jobs", &job, &column, &value).await
                    } else {
                        let secret = [("pod_id", &*id), ("kind", "'env'"), ("name", "'A'"), ("value", "'b'")];
                        let accepted = insert(&db, "pod_secrets", &secret, &column, &value).await;
                        insert(&db, "pod_jobs", &job, "priority", "0").await;
                        accepted
                    }
                };
                taken += usize::from(accepted);
            }
        }
    }
    eprintln!("{tried} values tried, {taken} taken");
    assert!(taken > 100 && tried - taken > 50);

    // A job whose worker is gone, beside them all.
    let stopped = db.job(&bystander, "stop").await;
    assert_eq!(db.end_of(&stopped).await.status, "succeeded");
    db.forge(&format!(
        "UPDATE pinacle.pod_jobs SET status = 'running', worker = 'gone', heartbeat_at = 'epoch', finished_at = NULL
         WHERE id = '{stopped}'"
    ))
    .await;
    assert_eq!(db.end_of(&stopped).await.status, "succeeded", "it is taken over");
    db.done(&bystander, "start").await;
    db.done(&bystander, "destroy").await;

    db.until("SELECT NOT EXISTS (SELECT FROM pod_jobs WHERE finished_at IS NULL AND run_at <= now())").await;
    let unexplained = "SELECT count(*) FROM pod_jobs WHERE status = 'failed' AND coalesce(last_error, '') = ''";
    assert_eq!(db.text(unexplained).await, "0");
    // What was refused for its payload is destroyed by a payload that is right.
    let left = "SELECT string_agg(DISTINCT j.status || ': ' || coalesce(j.last_error, ''), '; ')
                FROM pods p JOIN pod_jobs j ON j.pod_id = p.id WHERE p.status <> 'terminated' AND j.kind = 'destroy'
                  AND j.run_at <= now() AND j.last_error NOT LIKE '%payload%'";
    assert_eq!(db.text(left).await, "");
    assert_eq!(worker.stop().await, Some(0));
    host.assert_as_before();
}
