//! A worker whose clock is a year wrong, and jumps.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::{assert_made_whole, runs};
use crate::support::{PodHost, TestDb, Worker, eventually, host::sh};

/// A clock that can be set; a process that reads it believes it at once.
struct Clock {
    folder: tempfile::TempDir,
}

impl Clock {
    fn new(offset: &str) -> Self {
        let clock = Self { folder: tempfile::tempdir().unwrap() };
        clock.set(offset);
        clock
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// Sets it to now and so much, such as `+365d`, in one go.
    fn set(&self, offset: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    async fn worker(&self, db: &TestDb) -> Worker {
        let (library, file) = (sh("ls /usr/lib/*/faketime/libfaketimeMT.so.1"), self.file().display().to_string());
        let settings = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            // Nobody sets the clock that counts from the start of the machine.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("LOG_CLEANUP_INTERVAL", "1"),
        ];
        Worker::start_with(db, &settings).await
    }
}

const INSTALLS: [&str; 2] = ["sleep 3; echo one", "sleep 3; echo two"];

/// A job runs as ever while the clock goes from one offset to another, and what the database calls fresh stays.
async fn live_through(from: &str, to: &str, year: &str) {
    let (host, db, clock) = (PodHost::in_lane().await, TestDb::new().await, Clock::new(from));
    host.add_to(&db).await;
    for (name, age) in [("old", "6 days"), ("young", "4 days"), ("new", "0")] {
        db.execute(&format!(
            "INSERT INTO pod_logs (pod_id, command, exit_code, duration, created_at)
             VALUES ('{name}', 'true', 0, 1, now() - interval '{age}')"
        ))
        .await;
    }
    let worker = clock.worker(&db).await;
    let began = worker.log().lines().next().unwrap_or_default().to_owned();
    let expected = db.text(&format!("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '{year}', 'YYYY')")).await;
    assert!(began.starts_with(&expected), "the worker's clock is not {expected}'s: {began}");

    let pod = db.pod("jump", &json!({ "install": INSTALLS })).await;
    let job = db.job(&pod, "create").await;
    db.until(&format!("SELECT EXISTS (SELECT FROM pod_logs WHERE container_command = '{}')", INSTALLS[0])).await;
    clock.set(to);
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{}", end.last_error);
    for install in INSTALLS {
        assert_eq!(runs(&db, &pod, install).await, ["0"]);
    }
    let true_times = "SELECT bool_and(timestamp > now() - interval '10 minutes' AND timestamp <= now()
        AND created_at <= now() AND duration BETWEEN 0 AND 600000) FROM pod_logs WHERE job_id IS NOT NULL";
    assert_eq!(db.text(true_times).await, "true");

    // Some cleanups under either clock.
    let cleanups = || worker.log().matches("The log cleanup deleted").count();
    let before = cleanups();
    eventually("cleanups after the jump", async || (cleanups() >= before.max(2) + 2).then_some(())).await;
    let left = db.texts("SELECT pod_id FROM pod_logs WHERE job_id IS NULL ORDER BY pod_id").await;
    assert_eq!(left, ["new", "young"]);
    assert_made_whole(&host, &db, &pod, &job, 1..=1).await;
    assert_eq!(worker.stop().await, Some(0));
}

#[tokio::test]
async fn a_worker_whose_clock_is_a_year_ahead_works_and_deletes_nothing_that_is_fresh() {
    live_through("+365d", "+0", "365 days").await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_a_year_behind_works_and_deletes_what_is_old() {
    live_through("-365d", "+365d", "-365 days").await;
}

#[tokio::test]
async fn a_clock_that_jumps_back_by_a_year_is_no_reason_to_stop() {
    live_through("+0", "-365d", "0 days").await;
}
