//! Configs that cannot be a pod. `spec` tests each rule; here it is that a person hears of it.

use serde_json::json;

use super::{assert_says, refused};
use crate::support::{TestDb, Worker};

#[tokio::test]
async fn a_config_that_cannot_be_a_pod_is_refused_with_its_path() {
    let db = TestDb::new().await;
    db.server_out_of_reach().await;
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
        (json!({ "install": 5 }), &["install", "a number does not fit", "a string or a list"]),
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
