//! `pods`: lists and shows pods, and enqueues jobs for them as the web app does.

mod create;
pub mod enqueue;
mod show;

use std::{collections::HashMap, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::view::{follow, output},
    model::{JobKind, PodStatus},
    settings::Settings,
    store::{jobs, pods, servers},
};
use enqueue::{Enqueue, find};

#[derive(Debug, Subcommand)]
pub enum Pods {
    /// Creates a pod: its row, and the job that provisions it.
    Create(create::Create),
    /// Starts a stopped pod.
    Start(OnPod),
    /// Stops a pod; its data, its network and its port stay.
    Stop(OnPod),
    /// Stops and starts a pod.
    Restart(OnPod),
    /// Removes a pod and its data. Cancels its queued jobs, and stops the running one.
    Destroy(OnPod),
    /// Runs the job of a failed pod again.
    Requeue(Requeue),
    /// Lists the pods.
    List {
        /// List destroyed pods, too.
        #[arg(long)]
        all: bool,
    },
    /// Shows a pod and its last jobs with their steps.
    Show {
        /// The pod's id, or the slug of a live pod.
        pod: String,
    },
}

#[derive(Debug, Args)]
pub struct OnPod {
    /// The pod's id, or the slug of a live pod.
    pod: String,
    #[command(flatten)]
    how: Enqueue,
}

#[derive(Debug, Args)]
pub struct Requeue {
    /// The pod's id, or the slug of a live pod.
    #[arg(required_unless_present = "all_failed")]
    pod: Option<String>,
    /// Every failed pod.
    #[arg(long, conflicts_with_all = ["pod", "wait", "requested_by"])]
    all_failed: bool,
    #[command(flatten)]
    how: Enqueue,
}

pub async fn run(settings: &Settings, command: Pods) -> anyhow::Result<ExitCode> {
    match command {
        Pods::Create(create) => create::run(settings, &create).await,
        Pods::Start(on) => enqueue(settings, JobKind::Start, &on).await,
        Pods::Stop(on) => enqueue(settings, JobKind::Stop, &on).await,
        Pods::Restart(on) => enqueue(settings, JobKind::Restart, &on).await,
        Pods::Destroy(on) => enqueue(settings, JobKind::Destroy, &on).await,
        Pods::Requeue(requeue) => run_again(settings, &requeue).await,
        Pods::List { all } => list(settings, all).await,
        Pods::Show { pod } => show::run(settings, &pod).await,
    }
}

async fn enqueue(settings: &Settings, kind: JobKind, on: &OnPod) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    let pod_id = find(&db, &on.pod).await?;
    let job_id = jobs::enqueue(&db, &pod_id, kind, &on.how.requested_by).await?;
    follow::print_job(&db, settings, &job_id, on.how.wait).await
}

async fn run_again(settings: &Settings, requeue: &Requeue) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    if let Some(pod) = &requeue.pod {
        let pod_id = find(&db, pod).await?;
        let job_id = jobs::requeue(&db, &pod_id, &requeue.how.requested_by).await?;
        return follow::print_job(&db, settings, &job_id, requeue.how.wait).await;
    }
    let requeued = jobs::requeue_all_failed(&db).await?;
    if settings.json {
        output::json(&json!({ "requeued": requeued }))?;
    } else {
        let pods = if requeued == 1 { "pod" } else { "pods" };
        output::line(format!("Requeued {requeued} failed {pods}."))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings, all: bool) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    let mut pods = pods::list(&db, all).await?;
    if settings.json {
        for pod in &mut pods {
            if let Ok(config) = &mut pod.config.0 {
                show::hide_secrets(config, std::iter::empty());
            }
        }
        output::json(&pods)?;
        return Ok(ExitCode::SUCCESS);
    }
    let servers = servers::list(&db).await?.into_iter().map(|entry| (entry.server.id, entry.server.name));
    let servers: HashMap<String, String> = servers.collect();
    let rows = pods.into_iter().map(|pod| {
        let server = pod.server_id.map(|id| servers.get(&id).cloned().unwrap_or(id));
        [
            pod.slug,
            if pod.status == PodStatus::Failed && pod.up { "failed, up".to_owned() } else { pod.status.to_string() },
            server.unwrap_or_default(),
            pod.public_url.unwrap_or_default(),
            output::time(pod.created_at),
            pod.id,
            pod.name,
        ]
    });
    output::line(output::table(["SLUG", "STATUS", "SERVER", "URL", "CREATED", "ID", "NAME"], rows))?;
    Ok(ExitCode::SUCCESS)
}
