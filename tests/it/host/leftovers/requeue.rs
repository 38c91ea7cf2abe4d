//! A pod that a worker made and a later job failed: the admin's button brings it back, whatever of it is missing by then.

use serde_json::json;

use super::Object;
use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, inspect, sh},
};

/// Takes an object of the pod's from under it. The container runs: what failed is a hook.
fn remove(pod: &str, object: Object) {
    let name = format!("pinacle-pod-{pod}");
    let removed = match object {
        Object::Container => format!("docker rm --force {name}"),
        Object::Network => format!("docker network disconnect --force {name} {name}; docker network rm {name}"),
        // Docker removes no volume that a container has.
        Object::Volume => format!("docker rm --force {name}; docker volume rm {name}"),
        Object::Fence => format!("rm /var/lib/pinacle-worker/fences/{pod}"),
    };
    sh(&removed);
}

/// What was lost with it is said in the job, the pod and the user's log, and nothing else is.
async fn requeue(db: &TestDb, pod: &str, without: Object, what: &str) {
    let job = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{what}: {}", end.last_error);
    assert_eq!(db.pod_status(pod).await, "running", "{what}");
    let told = db.text(&format!("SELECT last_error FROM pods WHERE id = '{pod}'")).await;
    let shown = "container_command = 'pinacle: what to know' AND job_id";
    let shown = db.text(&format!("SELECT string_agg(stdout, '') FROM pod_logs WHERE {shown} = '{job}'")).await;
    for said in [end.last_error, told, shown] {
        let lost = ["volume was gone", "container was gone"].map(|loss| said.contains(loss));
        let container = matches!(without, Object::Container | Object::Volume);
        assert_eq!(lost, [without == Object::Volume, container], "{what}: {said}");
        assert_eq!(said.is_empty(), !container, "{what}: {said}");
    }
}

/// That the pod runs in its own network, is reached by its port, and is the one in the database.
async fn assert_whole(db: &TestDb, pod: &str, what: &str) {
    let row = format!("SELECT concat_ws(' ', container_id, internal_ip, proxy_port) FROM pods WHERE id = '{pod}'");
    let (row, container) = (db.text(&row).await, inspect(pod));
    let network = &container["NetworkSettings"]["Networks"][format!("pinacle-pod-{pod}")];
    let port = row.rsplit(' ').next().unwrap_or_default();
    let facts = [&container["Id"], &network["IPAddress"]].map(|fact| fact.as_str().unwrap_or_default());
    assert_eq!(row, format!("{} {} {port}", facts[0], facts[1]), "{what}");
    assert!(!facts[1].is_empty() && container["State"]["Running"] == true, "{what}: {container}");
    // Nothing listens at port 3000, and it is the pod's own nginx that says so.
    assert_eq!(fetch(port, "pod.localhost", "/").1, "502", "{what}");
}

#[tokio::test]
async fn a_failed_start_is_requeued_with_any_object_missing() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("requeued", &json!({})).await;
    // A secret that is a part of ids and addresses is hidden in the log, and changes nothing of what they mean.
    db.execute(&format!("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{pod}', 'env', 'A', '0')")).await;
    db.done(&pod, "create").await;
    for (object, stopped) in Object::ALL.into_iter().flat_map(|object| [(object, false), (object, true)]) {
        let what = format!("without {object:?}, {}", if stopped { "stopped" } else { "running" });
        db.execute(&format!(r#"UPDATE pods SET config = '{{"hooks": {{"preStart": ["false"]}}}}' WHERE id = '{pod}'"#))
            .await;
        let error = db.refused(&pod, "start").await;
        assert!(error.contains("the preStart hook `false` exited with code 1"), "{error}");
        assert_eq!(db.pod_status(&pod).await, "failed");
        db.execute(&format!("UPDATE pods SET config = '{{}}' WHERE id = '{pod}'")).await;
        sh(&format!("docker exec pinacle-pod-{pod} sh -c 'echo kept >/root/file'"));
        if stopped {
            sh(&format!("docker stop pinacle-pod-{pod}"));
        }
        // A stopped container is in no network, and Docker removes one that nobody is in.
        if stopped && object == Object::Network {
            sh(&format!("docker network rm pinacle-pod-{pod}"));
        } else {
            remove(&pod, object);
        }
        requeue(&db, &pod, object, &what).await;
        assert_whole(&db, &pod, &what).await;
        assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} cat /root/file")), "kept", "{what}");
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_failed_create_of_a_pod_that_ran_is_requeued_with_any_object_missing() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("recreated", &json!({})).await;
    db.done(&pod, "create").await;
    for object in Object::ALL {
        let what = format!("without {object:?}");
        db.execute(&format!(r#"UPDATE pods SET config = '{{"install": "false"}}' WHERE id = '{pod}'"#)).await;
        db.refused(&pod, "create").await;
        db.execute(&format!("UPDATE pods SET config = '{{}}' WHERE id = '{pod}'")).await;
        remove(&pod, object);
        requeue(&db, &pod, object, &what).await;
        assert_whole(&db, &pod, &what).await;
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
