//! `--wait`: follows a job to its end, with a progress bar. The database announces each change; a poll finds
//! what an announcement missed.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use chrono::Utc;
use serde::Deserialize;
use sqlx::{PgPool, postgres::PgListener};

use super::{explain, output, progress::Progress};
use crate::{
    cli::{
        exit::FAILED,
        view::job::{JobWithSteps, took},
    },
    model::JobStatus,
    settings::Settings,
    store::{
        jobs::{self, Job},
        pods,
    },
};

/// The channel on which the database announces changes of pods and jobs.
const EVENTS: &str = "pod_events";
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a database that is gone may take to come back.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Prints what a command that enqueued a job prints: the job's id, or with `wait` how the job ended.
pub async fn print_job(db: &PgPool, settings: &Settings, job_id: &str, wait: bool) -> anyhow::Result<ExitCode> {
    let job = if wait { to_its_end(db, settings, job_id).await? } else { job(db, job_id).await? };
    let succeeded = !wait || job.status == JobStatus::Succeeded;
    if settings.json {
        output::json(&JobWithSteps::load(db, job).await?)?;
    } else if wait {
        output::line(outcome(&job, &name_of_pod(db, &job).await?))?;
    } else {
        let pod = name_of_pod(db, &job).await?;
        output::note(format!("The {} of pod {pod} is {}. Its job:", job.kind, job.status));
        output::line(&job.id)?;
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { FAILED.into() })
}

async fn job(db: &PgPool, job_id: &str) -> anyhow::Result<Job> {
    let job = jobs::get(db, job_id).await?;
    job.with_context(|| format!("there is no job {job_id:?} any more; somebody has deleted its row"))
}

/// The pod's name on the command line: its slug, or its id if it is destroyed and another pod may have the slug.
async fn name_of_pod(db: &PgPool, job: &Job) -> anyhow::Result<String> {
    let live = pods::get(db, &job.pod_id).await?.filter(|pod| pod.destroyed_at.is_none());
    Ok(live.map_or_else(|| job.pod_id.clone(), |pod| pod.slug))
}

/// How the job ended, in one sentence.
fn outcome(job: &Job, pod: &str) -> String {
    let kind = job.kind;
    let error = job.last_error.as_deref().unwrap_or("no reason is on record");
    match job.status {
        JobStatus::Succeeded => {
            let duration = took(job, Utc::now()).map(|took| format!(" in {took}")).unwrap_or_default();
            let noted = job.last_error.as_ref().map(|notice| format!(" But: {notice}.")).unwrap_or_default();
            format!("The {kind} of pod {pod} succeeded{duration}.{noted}")
        }
        JobStatus::Failed => format!(
            "The {kind} of pod {pod} failed: {error}\n`pinacle-worker logs {pod} --all` shows what was run, \
             `pinacle-worker jobs show {}` the steps.",
            job.id
        ),
        JobStatus::Cancelled => format!("The {kind} of pod {pod} was cancelled: {error}"),
        JobStatus::Queued | JobStatus::Running | JobStatus::Retrying => {
            format!("The {kind} of pod {pod} is {}.", job.status)
        }
    }
}

/// Waits for the job's end, and shows its progress on stderr.
pub async fn to_its_end(db: &PgPool, settings: &Settings, job_id: &str) -> anyhow::Result<Job> {
    let mut events = listen(db).await;
    let mut progress: Option<Progress> = None;
    let mut last_read = Instant::now();
    loop {
        match jobs::get(db, job_id).await {
            Ok(job) => {
                let job =
                    job.with_context(|| format!("there is no job {job_id:?} any more; somebody has deleted its row"))?;
                last_read = Instant::now();
                let progress = progress.get_or_insert_with(|| Progress::new(&job));
                if job.status.is_finished() {
                    progress.end();
                    return Ok(job);
                }
                progress.show(&job);
            }
            Err(error) if last_read.elapsed() < PATIENCE => {
                if let Some(progress) = &mut progress {
                    progress.show_text(&format!(
                        "waits: {}",
                        explain::database_error(&error, &crate::cli::database::place(settings))
                    ));
                }
            }
            Err(error) => return Err(error).context(format!("job {job_id} goes on, but cannot be followed")),
        }
        next_event(&mut events, db, job_id).await;
    }
}

/// Listens for changes of pods and jobs; `None` if the database refuses, so that only the poll is left.
pub async fn listen(db: &PgPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(db).await.ok()?;
    listener.listen(EVENTS).await.ok()?;
    Some(listener)
}

/// Returns once something may have happened to the job, or after the poll's interval.
async fn next_event(events: &mut Option<PgListener>, db: &PgPool, job_id: &str) {
    let notified = async {
        match events {
            Some(events) => loop {
                match events.try_recv().await {
                    Ok(Some(event)) if concerns(event.payload(), job_id) => break true,
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break false,
                }
            },
            None => std::future::pending().await,
        }
    };
    if tokio::time::timeout(POLL_INTERVAL, notified).await == Ok(false) {
        tokio::time::sleep(POLL_INTERVAL).await;
        *events = listen(db).await;
    }
}

fn concerns(event: &str, job_id: &str) -> bool {
    #[derive(Deserialize)]
    struct Event {
        job_id: Option<String>,
    }
    serde_json::from_str::<Event>(event).is_ok_and(|event| event.job_id.as_deref() == Some(job_id))
}
