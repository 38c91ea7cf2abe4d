//! Configs that cannot be a pod. `spec` tests each rule; here it is that a person hears of it.

use serde_json::json;

use super::{assert_says, refused, requeue};
use crate::support::{PodHost, TestDb, Worker};

#[tokio::test]
async fn a_config_that_cannot_be_a_pod_is_refused_with_its_path() {
    let db = TestDb::new().await;
    db.local_server().await;
    let _worker = Worker::start(&db).await;
    let objects = ["the config must be an object", "such as {}"];
    for (nth, (config, words)) in (0..).zip([
        (json!([]), &objects[..]),
        (json!("x"), &objects),
        (json!(3), &objects),
        (json!(null), &objects),
        (json!({ "teir": "dev.small" }), &["pods.config teir", "no key of this name", "known keys: template, tier"]),
        (json!({ "hooks": { "after": [] } }), &["pods.config hooks.after", "known keys: preStart, postStart"]),
        (
            json!({ "ports": [{ "name": "web", "internal": 0 }] }),
            &["ports[0].internal", "0 is not a port", "1 to 65535"],
        ),
        (json!({ "ports": [{ "name": "web", "internal": 70000 }] }), &["ports[0].internal", "70000 is not a port"]),
        (
            json!({ "ports": [{ "name": "web", "internal": 3000 }, { "name": "api", "internal": 3000 }] }),
            &["ports[1]", "web", "3000"],
        ),
        (json!({ "tier": "dev.huge" }), &["tier", r#"no tier named "dev.huge""#, "dev.small, dev.medium"]),
        (json!({ "services": ["vim"] }), &["services[0]", r#"no service named "vim""#]),
        (json!({ "template": "rails" }), &["template", r#"no template named "rails""#]),
        (json!({ "environment": { "A": "b\0" } }), &["environment.A", "NUL"]),
        (json!({ "install": 5 }), &["install", "a number is not allowed here", "a string or a list"]),
        (json!({ "repository": { "url": "-x" } }), &["repository.url"]),
    ]) {
        // PostgreSQL's jsonb holds no NUL at all, so that one never gets as far as a row.
        if config.to_string().contains("\\u0000") {
            let insert = sqlx::query("INSERT INTO pods (name, slug, config) VALUES ('x', 'x', $1)").bind(&config);
            assert!(insert.execute(&db.pool).await.is_err());
            continue;
        }
        let (_, error) = refused(&db, &format!("pod-{nth}"), &config).await;
        assert_says(&error, words);
    }
    assert_eq!(db.text("SELECT count(*) FROM pod_logs").await, "0", "nothing was run for any of them");
}

#[tokio::test]
async fn a_config_that_was_mended_makes_a_pod() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let (pod, error) = refused(&db, "a", &json!({ "tier": "huge" })).await;
    assert_says(&error, &["no tier named"]);
    host.assert_as_before();

    db.execute("UPDATE pods SET config = '{\"tier\": \"dev.small\"}'").await;
    requeue(&db, &pod).await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// A pod that runs and whose config is broken later can still be stopped and destroyed, and says why it won't start.
#[tokio::test]
async fn a_pod_with_a_broken_config_can_be_stopped_and_destroyed() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    db.done(&pod, "create").await;
    db.execute("UPDATE pods SET config = '[]'").await;
    db.done(&pod, "stop").await;
    let error = db.refused(&pod, "start").await;
    assert_says(&error, &["the config must be an object"]);
    assert_eq!(db.pod_status(&pod).await, "failed");
    assert_ne!(db.text("SELECT proxy_port FROM pods").await, "", "its port and its data stay its own");

    db.execute("UPDATE pods SET config = '{}'").await;
    requeue(&db, &pod).await;
    db.execute("UPDATE pods SET config = '3'").await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
