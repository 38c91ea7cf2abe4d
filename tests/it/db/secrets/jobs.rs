//! What a job does with sealed secrets.

use serde_json::json;

use super::{KEY, KEY_ID, LOST_KEY, dump, key, sealed, store};
use crate::support::{TestDb, Worker};

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
        (&to, vec!["\"API_TOKEN\" (env)", KEY_ID, "for another pod", "Write the value again"]),
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
