//! Images that no registry is asked for.

use serde_json::json;

use crate::support::{TestDb, Worker};

#[tokio::test]
async fn only_what_is_allowed_is_asked_of_any_registry() {
    let db = TestDb::new().await;
    // Nothing could be asked there.
    db.server_out_of_reach().await;
    let _worker = Worker::start(&db).await;
    for (slug, image, says) in [
        ("other", "alpine:3", "baseImage: the image alpine:3 is not allowed here"),
        ("lookalike", "registry.example.com/pinacledev/pinacle-base", "ALLOWED_IMAGES (pinacledev/*)"),
        ("loopback", "127.0.0.1:5000/pinacledev/pinacle-base", "names its registry by an address"),
    ] {
        let pod = db.pod(slug, &json!({ "baseImage": image })).await;
        let error = db.refused(&pod, "create").await;
        assert!(error.contains(says), "{error}");
        db.done(&pod, "destroy").await;
    }
}
