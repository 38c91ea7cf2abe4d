//! `jobs`: lists, shows and cancels jobs.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Context;
use chrono::Utc;
use clap::Subcommand;
use sqlx::PgPool;

use crate::{
    cli::{
        exit::FAILED,
        view::{
            follow,
            job::{JobWithSteps, progress, took},
            output,
        },
    },
    model::JobStatus,
    settings::Settings,
    store::{
        jobs::{self, Job},
        pods,
    },
};

#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// Lists the newest jobs.
    List {
        /// Only the jobs of this pod: its id, or the slug of a live pod.
        #[arg(long)]
        pod: Option<String>,
        /// How many jobs to list.
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Shows a job with its steps.
    Show {
        /// The job's id.
        job: String,
        /// Follow the job to its end first; exit with 0 if it succeeded, with 1 otherwise.
        #[arg(long)]
        wait: bool,
    },
    /// Cancels a job: at once if it is in the queue, at its next command if it runs.
    Cancel {
        /// The job's id.
        job: String,
    },
}

pub async fn run(settings: &Settings, command: Jobs) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    match command {
        Jobs::List { pod, limit } => list(&db, settings, pod.as_deref(), limit).await,
        Jobs::Show { job, wait } => show(&db, settings, &job, wait).await,
        Jobs::Cancel { job } => cancel(&db, settings, &job).await,
    }
}

async fn list(db: &PgPool, settings: &Settings, pod: Option<&str>, limit: u32) -> anyhow::Result<ExitCode> {
    let pod_id = match pod {
        Some(pod) => Some(super::pods::enqueue::find(db, pod).await?),
        None => None,
    };
    let jobs = jobs::list(db, pod_id.as_deref(), limit.into()).await?;
    if settings.json {
        output::json(&jobs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let pod_ids: Vec<String> = jobs.iter().map(|job| job.pod_id.clone()).collect();
    let slugs: HashMap<String, String> = pods::slugs(db, &pod_ids).await?.into_iter().collect();
    let (now, none) = (Utc::now(), String::new);
    let rows = jobs.iter().map(|job| {
        [
            job.id.clone(),
            slugs.get(&job.pod_id).unwrap_or(&job.pod_id).clone(),
            job.kind.to_string(),
            job.status.to_string(),
            progress(job).unwrap_or_else(none),
            output::time(job.created_at),
            took(job, now).unwrap_or_else(none),
            job.requested_by.clone().unwrap_or_else(none),
        ]
    });
    let header = ["JOB", "POD", "KIND", "STATUS", "PROGRESS", "CREATED", "TOOK", "REQUESTED BY"];
    output::line(output::table(header, rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn get(db: &PgPool, job_id: &str) -> anyhow::Result<Job> {
    jobs::get(db, job_id)
        .await?
        .with_context(|| format!("there is no job {job_id:?}; `pinacle-worker jobs list` shows the newest"))
}

async fn show(db: &PgPool, settings: &Settings, job_id: &str, wait: bool) -> anyhow::Result<ExitCode> {
    let mut job = get(db, job_id).await?;
    if wait {
        job = follow::to_its_end(db, settings, job_id).await?;
    }
    let succeeded = !wait || job.status == JobStatus::Succeeded;
    let job = JobWithSteps::load(db, job).await?;
    if settings.json {
        output::json(&job)?;
    } else {
        job.print()?;
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { FAILED.into() })
}

async fn cancel(db: &PgPool, settings: &Settings, job_id: &str) -> anyhow::Result<ExitCode> {
    get(db, job_id).await?;
    let cancelled = jobs::cancel(db, job_id).await?;
    let job = get(db, job_id).await?;
    if !cancelled {
        anyhow::bail!("job {job_id} is already {}, so there is nothing to cancel", job.status);
    }
    if settings.json {
        output::json(&JobWithSteps::load(db, job).await?)?;
    } else if job.status == JobStatus::Cancelled {
        output::line(format!("Job {job_id} is cancelled."))?;
    } else {
        output::line(format!(
            "Job {job_id} has been asked to stop and ends at its next command; `pinacle-worker jobs show {job_id} \
             --wait` follows it."
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
