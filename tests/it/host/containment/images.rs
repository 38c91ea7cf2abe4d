//! Images that are not the pod's to choose, or that bring more than a root filesystem.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker, eventually,
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

impl Image {
    fn is_there(&self) -> bool {
        !sh(&format!("docker image ls --quiet {}", self.0)).is_empty()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        sh(&format!("docker rmi {} >&2 || true", self.0));
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

#[tokio::test]
async fn where_the_disk_is_short_images_go_that_nobody_uses() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    let worker = Worker::start_with(&db, &[("MIN_FREE_DISK_GB", "0")]).await;
    let [used, unused, somebodys] = [1, 2, 3].map(|number| Image::with(&format!("LABEL test={number}")));
    let pod = db.pod("uses", &json!({ "baseImage": used.0 })).await;
    db.done(&pod, "create").await;
    // As if a registry had been there to fetch them from.
    for image in [&used.0, &unused.0, "pinacledev/pinacle-base", "pinacledev/gone"] {
        db.execute(&format!("INSERT INTO server_images (server_id, image) VALUES ('{server}', '{image}')")).await;
    }
    db.done(&pod, "stop").await;
    worker.stop().await;
    // There is room enough.
    let settings = [("MIN_FREE_DISK_GB", "0"), ("RUST_LOG", "info,pinacle_worker::maintenance=debug")];
    let worker = Worker::start_with(&db, &settings).await;
    eventually("a cleanup", async || worker.log().contains("Server host keeps its images").then_some(())).await;
    worker.stop().await;
    assert_eq!(db.text("SELECT count(*) FROM server_images").await, "4");

    let _worker = Worker::start_with(&db, &[("MIN_FREE_DISK_GB", "1000000")]).await;
    db.until("SELECT count(*) = 2 FROM server_images").await;
    assert_eq!(
        db.texts("SELECT image FROM server_images WHERE image <> 'pinacledev/pinacle-base'").await,
        [used.0.as_str()],
        "a stopped pod's container was made from it"
    );
    assert!(used.is_there() && !unused.is_there() && somebodys.is_there());
    db.done(&pod, "start").await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
