//! A cancel while the pod's commands run. `db::queue::cancel` has what the database does of it.

use serde_json::json;

use crate::{
    db::queue::cancel::cancel,
    support::{PodHost, TestDb, Worker},
};

/// On a real host: the command that runs is ended, whenever the cancel comes, and what was made is removed.
#[tokio::test]
async fn a_running_create_stops_at_once_and_is_undone() {
    let host = PodHost::in_lane().await;
    let db = TestDb::new().await;
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({ "install": "echo begun; sleep 600" })).await;
    // As soon as its row is there the command is on its way; once it has said something, it runs.
    for moment in ["true", "stdout LIKE '%begun%'"] {
        db.execute("DELETE FROM pod_logs").await;
        let job = db.job(&pod, "create").await;
        db.until(&format!("SELECT EXISTS (SELECT FROM pod_logs WHERE container_command IS NOT NULL AND {moment})"))
            .await;

        assert_eq!(cancel(&db, &job).await, "true");

        let end = db.end_of(&job).await;
        assert_eq!((end.status.as_str(), end.last_error.as_str()), ("cancelled", "Cancelled on request."));
        assert_eq!(db.pod_status(&pod).await, "failed");
        let row = db.text("SELECT (exit_code, stderr) FROM pod_logs WHERE container_command IS NOT NULL").await;
        assert_eq!(row, "(143,\"\n[the command was ended before it was done]\n\")", "{moment}");
        host.assert_as_before();
        assert_eq!(db.text("SELECT (server_id, proxy_port, container_id) FROM pods").await, "(,,)");
    }

    db.execute("UPDATE pods SET config = '{}'").await;
    let again = db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    assert_eq!(db.end_of(&again).await.status, "succeeded");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
