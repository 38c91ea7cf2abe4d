//! Every metric that `/metrics` serves: its name, once, and its help text. Durations are in seconds.

use metrics::{describe_counter, describe_gauge, describe_histogram};

pub const JOBS_RUNNING: &str = "pinacle_jobs_running";
pub const JOBS: &str = "pinacle_jobs_total";
pub const JOB_WAIT: &str = "pinacle_job_wait_seconds";
pub const JOB_DURATION: &str = "pinacle_job_duration_seconds";
pub const JOBS_RESCUED: &str = "pinacle_jobs_rescued_total";
pub const UNCONFINED_STARTS: &str = "pinacle_unconfined_starts_total";
pub const RECONCILE_FINDINGS: &str = "pinacle_reconcile_findings_total";
pub const REPAIRS: &str = "pinacle_pods_mended_total";
pub const ORPHANS_REMOVED: &str = "pinacle_strays_removed_total";
pub const LOGS_DELETED: &str = "pinacle_pod_logs_deleted_total";
pub const JOBS_DELETED: &str = "pinacle_pod_jobs_deleted_total";
pub const SECRETS_SEALED: &str = "pinacle_secrets_sealed_total";

/// Gives each metric its help text.
pub fn describe() {
    describe_gauge!(JOBS_RUNNING, "Jobs that this worker runs.");
    describe_counter!(JOBS, "Executions that ended, by kind of job and by outcome.");
    describe_histogram!(JOB_WAIT, "From when a job was inserted or became due to its claim.");
    describe_histogram!(JOB_DURATION, "From the claim to the end of an execution, by kind of job.");
    describe_counter!(JOBS_RESCUED, "Jobs that were taken back from workers that had stopped renewing their leases.");
    describe_counter!(UNCONFINED_STARTS, "Starts of pods on hosts that do not confine their network.");
    describe_counter!(RECONCILE_FINDINGS, "Differences between the database and the hosts.");
    describe_counter!(REPAIRS, "Jobs that a reconciliation has asked for, by kind.");
    describe_counter!(ORPHANS_REMOVED, "Things on hosts that belonged to no pod and were removed, by kind.");
    describe_counter!(LOGS_DELETED, "Log rows that the schedule has deleted.");
    describe_counter!(JOBS_DELETED, "Finished jobs that the schedule has deleted.");
    describe_counter!(SECRETS_SEALED, "Plain secrets that the schedule has sealed.");
}
