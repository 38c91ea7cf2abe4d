//! What a job does with sealed secrets.

use serde_json::json;

use super::{KEY, KEY_ID, LOST_KEY, OLD_KEY, dump, key, sealed, store};
use crate::support::{PodHost, TestDb, Worker, host::sh};

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

#[tokio::test]
async fn a_secret_that_can_not_be_opened_fails_its_own_pod_with_a_sentence() {
    let db = TestDb::new().await;
    let worker = Worker::start_with(&db, &[("SECRETS_KEY", KEY)]).await;
    let (from, to) = (db.pod("from", &json!({})).await, db.pod("to", &json!({})).await);
    let secret = sealed(KEY, &from, "API_TOKEN", "hidden-0123456789");
    store(&db, &from, "API_TOKEN", &secret).await;
    store(&db, &to, "API_TOKEN", &secret).await;
    let lost = db.pod("lost", &json!({})).await;
    store(&db, &lost, "LOST", &sealed(LOST_KEY, &lost, "LOST", "hidden-0123456789")).await;
    let cut = db.pod("cut", &json!({})).await;
    store(&db, &cut, "CUT", &secret[..secret.len() - 8]).await;
    let malformed = db.pod("malformed", &json!({})).await;
    store(&db, &malformed, "MALFORMED", "hpke:v1:hidden-0123456789").await;

    let lost_id = key(LOST_KEY).id().to_owned();
    for (pod, says) in [
        (&to, vec!["\"API_TOKEN\" (env)", KEY_ID, "for another pod", "Write the value anew"]),
        (&lost, vec!["\"LOST\" (env)", &lost_id, "SECRETS_KEY_FALLBACKS"]),
        (&cut, vec!["\"CUT\" (env)", KEY_ID]),
        (&malformed, vec!["\"MALFORMED\" (env)", "hpke:v1:<key id>:<base64>"]),
    ] {
        let end = db.end_of(&db.job(pod, "create").await).await;
        assert_eq!((end.status.as_str(), end.attempt), ("failed", 1), "for good: {}", end.last_error);
        for part in says {
            assert!(end.last_error.contains(part), "{part}: {}", end.last_error);
        }
        assert!(!end.last_error.contains("0123456789"), "{}", end.last_error);
        assert_eq!(db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await, end.last_error);
    }
    // The pod that it was sealed for comes as far as there are servers.
    let error = db.refused(&from, "create").await;
    assert!(error.contains("server"), "{error}");
    for pod in [&to, &lost, &cut, &malformed] {
        db.done(pod, "destroy").await;
    }
    assert!(!worker.log().contains("0123456789"), "{}", worker.log());
    assert_eq!(worker.stop().await, Some(0));

    // A worker that has no key at all.
    let _worker = Worker::start(&db).await;
    let error = db.refused(&from, "create").await;
    for part in ["\"API_TOKEN\" (env)", KEY_ID, "SECRETS_KEY is not set"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    db.done(&from, "destroy").await;
    assert_eq!(dump(&db).await, "");
}
