//! A sealed secret on its way into a pod. `db::secrets` has what happens to it on the way there.

use serde_json::json;

use crate::{
    db::secrets::{KEY, KEY_ID, OLD_KEY, dump, sealed, store},
    support::{PodHost, TestDb, Worker, host::sh},
};

#[tokio::test]
async fn a_sealed_secret_reaches_the_pod_and_no_table() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start_with(&db, &[("SECRETS_KEY", KEY), ("SECRETS_KEY_FALLBACKS", OLD_KEY)]).await;
    let install = "echo values $CURRENT $OLD $PLAIN; printf '%s\\n' $CURRENT $OLD $PLAIN > /workspace/values";
    let pod = db.pod("sealed", &json!({ "install": install })).await;
    store(&db, &pod, "CURRENT", &sealed(KEY, &pod, "CURRENT", "current-0123456789")).await;
    store(&db, &pod, "OLD", &sealed(OLD_KEY, &pod, "OLD", "old-0123456789")).await;
    store(&db, &pod, "PLAIN", "plain-0123456789").await;
    db.done(&pod, "create").await;

    let values = sh(&format!("docker exec pinacle-pod-{pod} cat /workspace/values"));
    assert_eq!(values, "current-0123456789\nold-0123456789\nplain-0123456789");
    assert_eq!(
        db.text("SELECT trim(E'\n' FROM stdout) FROM pod_logs WHERE stdout LIKE 'values%'").await,
        "values [redacted] [redacted] [redacted]"
    );
    db.until("SELECT NOT EXISTS (SELECT FROM pod_secrets WHERE NOT starts_with(value, 'hpke:v1:'))").await;
    let record = db.text("SELECT string_agg(l::text, '') FROM pod_logs l").await;
    for written in [dump(&db).await, record, worker.log()] {
        assert!(!written.contains("0123456789"), "{written}");
    }
    // What was plain is sealed by now, and the pod finds all as it was.
    db.done(&pod, "restart").await;

    // A pod whose secrets can't be opened can be stopped, and destroyed.
    db.execute("UPDATE pod_secrets SET name = 'PLAIN_2' WHERE name = 'PLAIN'").await;
    db.done(&pod, "stop").await;
    let error = db.refused(&pod, "start").await;
    assert!(error.contains("\"PLAIN_2\" (env)") && error.contains(KEY_ID), "{error}");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
