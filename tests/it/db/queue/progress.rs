//! A job's steps, written with what is written anyway.

use pinacle_worker::{
    model::{JobStatus, PodStatus},
    store::{
        jobs,
        logs::NewLog,
        steps::{Progress, StepEnd},
    },
};

use super::{claim, pod};
use crate::support::{TestDb, Worker};

const ROWS: &str =
    "SELECT concat_ws(' ', name, status, attempt, finished_at IS NOT NULL, error) FROM pod_job_steps ORDER BY position";
const JOB: &str = "SELECT concat_ws(' ', status, step, steps_done, steps_total) FROM pod_jobs";

#[tokio::test]
async fn a_step_is_on_record_before_its_first_command() {
    let db = TestDb::new().await;
    let pod = pod(&db, "a").await;
    db.job(&pod, "create").await;
    let claimed = claim(&db, &pod, "a").await.unwrap();
    let (fence, progress) = (claimed.fence(), Progress::new(claimed.attempt));
    let log = NewLog { command: "true", container_command: None, label: None };

    progress.enter(PodStatus::Provisioning, 3).await;
    progress.begin(0, "place").await;
    progress.end(StepEnd::Succeeded).await;
    progress.begin(1, "port").await;
    assert_eq!(db.texts(ROWS).await, Vec::<String>::new());
    progress.write_with_log(&db.pool, &fence, &log).await.unwrap();
    assert_eq!(db.texts(ROWS).await, ["place succeeded 1 t", "port running 1 f"]);
    assert_eq!((db.text(JOB).await.as_str(), db.pod_status(&pod).await.as_str()), ("running port 1 3", "provisioning"));
    let begin = db.text("SELECT started_at FROM pod_job_steps WHERE position = 1").await;

    // A second command of the step changes nothing of it.
    progress.write_with_log(&db.pool, &fence, &log).await.unwrap();
    progress.end(StepEnd::Skipped).await;
    progress.begin(2, "network").await;
    progress.end(StepEnd::Failed("no".to_owned())).await;
    assert_eq!(db.texts(ROWS).await, ["place succeeded 1 t", "port running 1 f"]);
    let changes = progress.changes().await;
    jobs::fail(&db.pool, &fence, JobStatus::Failed, "no", &changes).await.unwrap();
    assert_eq!(db.texts(ROWS).await, ["place succeeded 1 t", "port skipped 1 t", "network failed 1 t no"]);
    assert_eq!(db.text(JOB).await, "failed network 2 3");
    assert_eq!(db.text("SELECT started_at FROM pod_job_steps WHERE position = 1").await, begin);
    let out_of_order = "SELECT count(*) FROM pod_job_steps s JOIN pod_jobs j ON j.id = s.job_id
        LEFT JOIN pod_job_steps n ON n.position = s.position + 1
        WHERE s.finished_at < s.started_at OR n.started_at < s.finished_at OR s.started_at < j.started_at
           OR s.finished_at > j.finished_at";
    assert_eq!(db.text(out_of_order).await, "0");
    assert_eq!(db.text("SELECT count(*) FROM pod_logs").await, "2");
}

#[tokio::test]
async fn a_job_without_a_command_has_its_steps_at_its_end() {
    let db = TestDb::new().await;
    let _worker = Worker::start(&db).await;
    let pod = pod(&db, "a").await;
    db.done(&pod, "destroy").await;
    assert_eq!(
        db.texts(ROWS).await,
        ["remove container", "remove network", "remove volume", "forget"].map(|step| format!("{step} skipped 1 t"))
    );
    assert_eq!(db.text(JOB).await, "succeeded forget 4 4");
}
