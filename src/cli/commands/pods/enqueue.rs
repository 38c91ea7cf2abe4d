//! What the commands that enqueue a job have in common.

use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use clap::Args;
use sqlx::PgPool;

use crate::store::pods;

/// The flags of every command that enqueues a job.
#[derive(Debug, Args)]
pub struct Enqueue {
    /// Follow the job to its end; exit with 0 if it succeeded, with 1 otherwise. Without this, prints the job's id.
    #[arg(long)]
    pub wait: bool,
    /// Who asks for the job; stored with it.
    #[arg(long, value_name = "WHO", default_value_t = this_user())]
    pub requested_by: String,
}

fn this_user() -> String {
    let from_environment = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = from_environment.filter(|name| !name.is_empty()).or_else(owner_of_this_process);
    format!("cli:{}", name.as_deref().unwrap_or("unknown"))
}

/// Used where a service manager or a container has set no USER.
fn owner_of_this_process() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let user = users.lines().find(|line| line.split(':').nth(2) == Some(&uid));
    Some(user.and_then(|line| line.split(':').next()).unwrap_or(&uid).to_owned())
}

/// Finds the pod's id by its id or the slug of a live pod.
pub async fn find(db: &PgPool, pod: &str) -> anyhow::Result<String> {
    pods::find(db, pod).await?.with_context(|| {
        format!(
            "there is no pod {pod:?}. Give a pod's id, or the slug of one that is not destroyed; \
             `pinacle-worker pods list --all` shows all"
        )
    })
}
