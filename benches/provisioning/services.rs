//! A create with editor and terminal. It has no reference; what counts is the services' share.

use serde_json::json;

use crate::{
    pods::Clock,
    rounds,
    support::{PodHost, TestDb, Worker},
    table::{Series, Table},
};

/// The steps of the services.
const STEPS: &str = "'install services', 'services', 'health'";

pub async fn measure(table: &mut Table) {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let mut clock = Clock::of(&db).await;

    let (mut creates, mut services) = (vec![], vec![]);
    // The editor alone takes seconds to respond, so there are fewer rounds.
    for round in 0..rounds().div_ceil(2) {
        let config = json!({ "services": ["code-server", "web-terminal"] });
        let pod = db.pod(&format!("bench-services-{round}"), &config).await;
        let (elapsed, job) = clock.job(&pod, "create", "running").await;
        let steps = format!(
            "SELECT 1000 * sum(extract(epoch FROM finished_at - started_at)) FROM pod_job_steps
             WHERE job_id = '{job}' AND name IN ({STEPS})"
        );
        creates.push(elapsed);
        services.push(db.text(&steps).await.parse().expect("the steps of the services"));
        clock.job(&pod, "destroy", "terminated").await;
    }
    host.assert_as_before();

    table.figure(
        "ms",
        &Series { what: "create with code-server and web-terminal, insert to running", figures: creates },
    );
    table.figure("ms", &Series { what: "  of that: the services' steps, until they are healthy", figures: services });
}
