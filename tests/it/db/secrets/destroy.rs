//! What is left of a destroyed pod's secrets: nothing.

use pinacle_worker::{
    model::PodStatus,
    store::{jobs, steps::Changes},
};
use serde_json::{Value, json};

use super::{KEY, sealed, store};
use crate::{
    db::queue::claim,
    support::{TestDb, Worker},
};

/// A pod with this config, whatever an insert would say to it.
async fn forged(db: &TestDb, slug: &str, config: &str) -> String {
    let pod = db.pod(slug, &json!({})).await;
    db.forge(&format!("UPDATE pods SET config = {config} WHERE id = '{pod}'")).await;
    pod
}

async fn config_of(db: &TestDb, pod: &str) -> Value {
    serde_json::from_str(&db.text(&format!("SELECT config FROM pods WHERE id = '{pod}'")).await).unwrap()
}

#[tokio::test]
async fn a_destroyed_pods_config_keeps_no_secret() {
    let db = TestDb::new().await;
    let pod = db
        .pod(
            "a",
            &json!({
                "tier": "dev.small",
                "environment": {
                    "API_KEY": "hunter22", "npm_token": "x", "SECRET": "", "MY_PASSWORD_2": "hunter22", "Credentials": "hunter22",
                    "SENTRY_DSN": "https://hunter22@h", "DATABASE_URL": "postgres://u:hunter22@h/d", "EDITOR": "vim",
                },
                "repository": { "url": "https://bob:hunter22@h/r.git", "branch": "main" },
                "install": "npm ci",
            }),
        )
        .await;
    store(&db, &pod, "A", "hunter22").await;
    store(&db, &pod, "B", &sealed(KEY, &pod, "B", "x")).await;
    let _worker = Worker::start(&db).await;
    // Only the end of a destroy: what can be mended must be there then.
    assert_eq!(db.end_of(&db.job(&pod, "create").await).await.status, "failed", "there is no server");
    assert!(config_of(&db, &pod).await.to_string().contains("hunter22"));

    db.done(&pod, "destroy").await;
    let hidden = "[redacted]";
    let kept = json!({
        "tier": "dev.small",
        "environment": {
            "API_KEY": hidden, "npm_token": hidden, "SECRET": hidden, "MY_PASSWORD_2": hidden, "Credentials": hidden,
            "SENTRY_DSN": hidden, "DATABASE_URL": hidden, "EDITOR": "vim",
        },
        "repository": { "url": "https://[redacted]@h/r.git", "branch": "main" },
        "install": "npm ci",
    });
    assert_eq!(config_of(&db, &pod).await, kept);
    assert_eq!(db.text("SELECT count(*) FROM pod_secrets").await, "0");
    let row = db.text(&format!("SELECT p::text FROM pods p WHERE id = '{pod}'")).await;
    assert!(!row.contains("hunter22"), "{row}");

    db.done(&pod, "destroy").await;
    assert_eq!(config_of(&db, &pod).await, kept, "a second destroy finds nothing to do");
}

/// What PostgreSQL can store and nothing can read, or what no config is.
#[tokio::test]
async fn a_config_that_no_worker_can_read_keeps_no_destroy_from_succeeding() {
    let db = TestDb::new().await;
    let nested = "('{\"environment\": {\"API_KEY\": ' || repeat('[', 5000) || '\"hunter22\"' || repeat(']', 5000) || '}}')::jsonb";
    let deep = "('{\"environment\": {\"API_KEY\": \"hunter22\"}, \"x\": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb";
    let many = "jsonb_build_object('environment', (SELECT jsonb_object_agg('KEY' || n, 'hunter22') FROM generate_series(1, 11000) n))";
    let (hidden, none) = (json!("[redacted]"), json!({}));
    let mut pods = Vec::new();
    for (number, (config, kept)) in [
        ("'null'".to_owned(), Some(none.clone())),
        ("'3'".to_owned(), Some(none.clone())),
        ("'[\"API_KEY=hunter22\"]'".to_owned(), Some(none.clone())),
        (r#"to_jsonb('{"environment": {"API_KEY": "hunter22"}}'::text)"#.to_owned(), Some(none.clone())),
        (r#"'{"environment": ["API_KEY=hunter22"]}'"#.to_owned(), Some(json!({ "environment": hidden }))),
        (r#"'{"environment": "API_KEY=hunter22", "x": 1}'"#.to_owned(), Some(json!({ "environment": hidden, "x": 1 }))),
        (
            r#"'{"environment": null, "repository": null}'"#.to_owned(),
            Some(json!({ "environment": null, "repository": null })),
        ),
        (
            r#"'{"environment": {"API_KEY": {"a": ["hunter22"]}}}'"#.to_owned(),
            Some(json!({ "environment": { "API_KEY": hidden } })),
        ),
        (r#"'{"environment": {}}'"#.to_owned(), Some(json!({ "environment": {} }))),
        (
            r#"'{"repository": "https://u:hunter22@h/r"}'"#.to_owned(),
            Some(json!({ "repository": "https://[redacted]@h/r" })),
        ),
        (r#"'{"repository": {"url": ["https://u:hunter22@h/r"]}}'"#.to_owned(), Some(json!({ "repository": hidden }))),
        (r#"'{"repository": ["https://u:hunter22@h/r"]}'"#.to_owned(), Some(json!({ "repository": hidden }))),
        // Read as text below: no JSON reader of ours takes these.
        (r#"('{"environment": {"API_KEY": "hunter22", "N": 1e' || '400' || '}}')::jsonb"#.to_owned(), None),
        (nested.to_owned(), None),
        (deep.to_owned(), None),
        // Too large already, and too large once it is blanked.
        (
            "jsonb_build_object('environment', jsonb_build_object('A', repeat('hunter22', 2000000)))".to_owned(),
            Some(none.clone()),
        ),
        (many.to_owned(), Some(none.clone())),
    ]
    .into_iter()
    .enumerate()
    {
        pods.push((forged(&db, &format!("a{number}"), &config).await, config, kept));
    }
    let long_name = forged(&db, "name", r#"'{"environment": {"API_KEY": "hunter22"}}'"#).await;
    db.forge(&format!("UPDATE pods SET name = repeat('x', 100000) WHERE id = '{long_name}'")).await;
    pods.push((long_name, "a name that is too long".to_owned(), Some(json!({ "environment": { "API_KEY": hidden } }))));

    let _worker = Worker::start(&db).await;
    for (pod, config, kept) in pods {
        let end = db.end_of(&db.job(&pod, "destroy").await).await;
        assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 1), "{config}: {}", end.last_error);
        let left = db.text(&format!("SELECT config FROM pods WHERE id = '{pod}'")).await;
        assert!(!left.contains("hunter22"), "{config}: {left}");
        if let Some(kept) = kept {
            assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), kept, "{config}");
        }
    }
}

#[tokio::test]
async fn a_repositorys_address_loses_who_logs_in() {
    let db = TestDb::new().await;
    for (url, kept) in [
        ("https://github.com/o/r.git", "https://github.com/o/r.git"),
        ("https://github.com/@o/r.git", "https://github.com/@o/r.git"),
        ("https://h:8080/@o/r", "https://h:8080/@o/r"),
        ("https://ghp_token@github.com/o/r", "https://[redacted]@github.com/o/r"),
        ("https://u:p@h:8080/r", "https://[redacted]@h:8080/r"),
        ("HTTPS://u:p@h/r", "HTTPS://[redacted]@h/r"),
        ("https://u:p@ss@h/r", "https://[redacted]@h/r"),
        ("https://u:p/ss@h/r", "https://[redacted]@h/r"),
        ("https://u:p@s/s@h/r", "https://[redacted]@h/r"),
        ("https://u:p\nss@h/r", "https://[redacted]@h/r"),
        ("ssh://git@h/r", "ssh://git@h/r"),
        ("ssh://git@h:22/r", "ssh://git@h:22/r"),
        ("ssh://git:p@h/r", "ssh://[redacted]@h/r"),
        ("git@github.com:o/r.git", "git@github.com:o/r.git"),
        ("u:p@h:r", "[redacted]@h:r"),
        ("", ""),
    ] {
        let left: String = sqlx::query_scalar("SELECT without_login($1)").bind(url).fetch_one(&db.pool).await.unwrap();
        assert_eq!(left, kept, "{url}");
    }
}

/// Another worker has the pod: neither the end nor the blanking is written.
#[tokio::test]
async fn a_worker_that_lost_the_pod_blanks_nothing() {
    let db = TestDb::new().await;
    let config = json!({ "environment": { "API_KEY": "hunter22" } });
    let pod = db.pod("a", &config).await;
    db.job(&pod, "destroy").await;
    let claimed = claim(&db, &pod, "old").await.unwrap();
    db.execute("UPDATE pods SET lease = lease + 1").await;
    let ended = jobs::succeed(&db.pool, &claimed.fence(), PodStatus::Terminated, &Changes::default()).await;
    assert!(ended.is_err());
    assert_eq!(config_of(&db, &pod).await, config);
}
