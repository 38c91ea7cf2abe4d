//! Images that are not the pod's to choose, or that bring more than a root filesystem.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker,
    host::{inspect, sh},
};

/// An image made of the base image, which goes with this.
struct Image(String);

impl Image {
    fn with(instruction: &str) -> Self {
        let name = format!("pinacledev/test-{}", uuid::Uuid::new_v4().simple());
        sh(&format!(
            "printf 'FROM pinacledev/pinacle-base\n{instruction}\n' | docker build --quiet --tag {name} - >&2"
        ));
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        sh(&format!("docker rmi {} >&2", self.0));
    }
}

#[tokio::test]
async fn only_what_is_allowed_is_asked_of_any_registry() {
    let db = TestDb::new().await;
    // Nobody can reach it, so nothing could be asked there.
    db.ssh_server("unreachable", 1).await;
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

#[tokio::test]
async fn an_image_brings_neither_volumes_nor_a_health_check() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let image = Image::with("VOLUME /data /more");
    let pod = db.pod("volumes", &json!({ "baseImage": image.0 })).await;
    let error = db.refused(&pod, "create").await;
    assert!(error.contains("declares volumes (/data, /more)") && error.contains("without VOLUME"), "{error}");
    host.assert_as_before();
    db.done(&pod, "destroy").await;

    let image = Image::with("HEALTHCHECK --interval=1s CMD touch /workspace/checked");
    let pod = db.pod("checked", &json!({ "baseImage": image.0 })).await;
    db.done(&pod, "create").await;
    let container = inspect(&pod);
    assert_eq!(container["Config"]["Healthcheck"]["Test"], json!(["NONE"]));
    assert!(container["State"]["Health"].is_null(), "{}", container["State"]);
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
