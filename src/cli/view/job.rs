//! A job with its steps.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use super::output;
use crate::store::{
    jobs::Job,
    steps::{self, StepRow},
};

/// A job as `jobs show` prints it.
#[derive(Debug, Serialize)]
pub struct JobWithSteps {
    #[serde(flatten)]
    pub job: Job,
    pub steps: Vec<StepRow>,
}

impl JobWithSteps {
    pub async fn load(db: &PgPool, job: Job) -> Result<Self, sqlx::Error> {
        let steps = steps::of_job(db, &job.id).await?;
        Ok(Self { job, steps })
    }

    pub fn print(&self) -> Result<(), output::OutputError> {
        let job = &self.job;
        output::line(output::facts([
            ("Job", Some(job.id.clone())),
            ("Kind", Some(job.kind.to_string())),
            ("Status", Some(job.status.to_string())),
            ("Pod", Some(job.pod_id.clone())),
            ("Progress", progress(job)),
            ("Attempt", Some(format!("{} of {}", job.attempt, job.max_attempts))),
            ("Requested by", job.requested_by.clone()),
            ("Created", Some(output::time(job.created_at))),
            ("Not before", (!job.status.is_finished()).then(|| output::time(job.run_at))),
            ("Started", job.started_at.map(output::time)),
            ("Finished", job.finished_at.map(output::time)),
            ("Took", took(job, Utc::now())),
            ("Error", job.last_error.clone()),
        ]))?;
        if self.steps.is_empty() {
            return Ok(());
        }
        let steps = self.steps.iter().map(|step| {
            let took = step.finished_at.map(|end| output::duration((end - step.started_at).num_milliseconds()));
            [
                (step.position + 1).to_string(),
                step.name.clone(),
                step.status.clone(),
                step.attempt.to_string(),
                took.unwrap_or_default(),
                step.error.clone().unwrap_or_default(),
            ]
        });
        output::line(format!("\n{}", output::table(["#", "STEP", "STATUS", "ATTEMPT", "TOOK", "ERROR"], steps)))
    }
}

pub fn progress(job: &Job) -> Option<String> {
    let (done, total) = (job.steps_done?, job.steps_total?);
    let step = job.step.as_deref().filter(|_| !job.status.is_finished()).unwrap_or_default();
    Some(format!("{done}/{total} {step}").trim_end().to_owned())
}

/// How long the job took, or has taken by `now`, from the start of its first attempt.
pub fn took(job: &Job, now: DateTime<Utc>) -> Option<String> {
    let end = job.finished_at.unwrap_or(now);
    Some(output::duration((end - job.started_at?).num_milliseconds().max(0)))
}
