//! A pod that prints without end.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker};

/// MiB that a job of the test may print.
const BUDGET: &str = "3";
const HOOKS: usize = 40;

#[tokio::test]
async fn a_job_fills_its_budget_and_then_keeps_both_ends_of_each_command() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start_with(&db, &[("LOG_BUDGET_MB", BUDGET)]).await;
    let hooks: Vec<String> = (0..HOOKS)
        .map(|number| format!("echo begin {number}; head -c 1500000 /dev/zero | tr '\\0' x; echo end {number}"))
        .collect();
    let pod = db.pod("loud", &json!({ "hooks": { "postStart": hooks } })).await;
    db.done(&pod, "create").await;

    let of_hooks = "FROM pod_logs WHERE label = '🪝 Running hook'";
    let stored = db.text(&format!("SELECT sum(octet_length(stdout) + octet_length(stderr)) {of_hooks}")).await;
    // The budget, and for each command both ends of both streams, with what is said about it.
    let most = 3 * 1024 * 1024 + HOOKS * 2 * (8 * 1024 + 300);
    assert!(stored.parse::<usize>().unwrap() < most, "{stored} bytes of at most {most}");
    let rows =
        db.texts(&format!("SELECT concat_ws('|', stdout, stderr, exit_code) {of_hooks} ORDER BY timestamp")).await;
    assert_eq!(rows.len(), HOOKS);
    for (number, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("begin {number}\nx")), "{number}: {}", &row[..row.len().min(300)]);
        assert!(row.contains(&format!("xend {number}\n|")) && row.ends_with("|0"), "{number}");
        assert!(row.contains(" bytes cut …]"), "{number}");
    }
    assert!(rows[HOOKS - 1].contains("LOG_BUDGET_MB = 3"), "{}", &rows[HOOKS - 1][rows[HOOKS - 1].len() - 300..]);
    assert!(!rows[0].contains("LOG_BUDGET_MB"), "the first has its due");

    // Another job has a budget of its own.
    db.done(&pod, "restart").await;
    let again = format!("SELECT octet_length(stdout) > 500000 {of_hooks} ORDER BY timestamp OFFSET {HOOKS} LIMIT 1");
    assert_eq!(db.text(&again).await, "true");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
