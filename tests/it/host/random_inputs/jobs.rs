//! Random configs through the queue: each job has an end and a reason, and a pod beside them is made as ever.

use pinacle_worker::podspec::{self, Catalog};
use serde_json::{Value, json};

use crate::{
    db::random_inputs::{
        beyond_readers, pod,
        specs::{check_sentence, draw, nearly_a_config},
    },
    support::{PodHost, TestDb, Worker, worker::cli},
};

const RANDOM: usize = 16;

#[tokio::test]
async fn every_config_gets_a_job_that_ends_with_a_reason_beside_a_pod_that_runs() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let worker = Worker::start(&db).await;
    let catalog = Catalog::load(None).unwrap();
    let unusable = |config: &Value| podspec::resolve(config, &catalog).is_err();
    // One that is right would fetch images and run what it says; the tests of the pods do that.
    let drawn = draw(&nearly_a_config(), 200).into_iter().filter(unusable).map(|config| config.to_string());
    let configs = drawn.filter(|config| !config.contains(r"\u0000")).take(RANDOM).chain(beyond_readers());
    let mut pods = Vec::new();
    for (number, config) in configs.enumerate() {
        let pod = pod(&db, &format!("random-{number}"), &config).await.unwrap();
        pods.push((db.job(&pod, "create").await, pod, config));
    }
    assert_eq!(pods.len(), RANDOM + beyond_readers().len());
    let neighbour = db.pod("neighbour", &json!({})).await;
    db.done(&neighbour, "create").await;

    for (job, pod, config) in &pods {
        let end = db.end_of(job).await;
        assert_eq!((end.status.as_str(), end.attempt), ("failed", 1), "{config:.200}: {}", end.last_error);
        check_sentence(&end.last_error).unwrap();
        assert_eq!(db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await, end.last_error);
    }
    // Nobody's list is kept from them by a config that can't be read, and neither is the pod's end.
    for args in [&["pods", "list"][..], &["pods", "list", "--json"], &["pods", "show", &pods[RANDOM].1]] {
        let listed = cli(&db, args);
        assert!(listed.status.success(), "{args:?}: {}", String::from_utf8_lossy(&listed.stderr));
    }
    for (_, pod, _) in &pods {
        db.done(pod, "destroy").await;
    }
    assert_eq!(db.pod_status(&neighbour).await, "running");
    db.done(&neighbour, "destroy").await;
    assert_eq!(worker.stop().await, Some(0));
    host.assert_as_before();
}
