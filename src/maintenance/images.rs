//! The image cleanup removes images that a worker fetched and no pod uses, from servers whose disk is nearly full.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    docker::image_fact,
    fleet::HostDirectory,
    podspec::DEFAULT_IMAGE,
    remote::{Command, ConnectionError, Policy, Ran, command::docker_words},
    store::{
        images,
        servers::{self, Server},
    },
};

pub const INTERVAL: Duration = Duration::from_hours(1);
/// Enough to remove several images of gigabytes from a slow disk.
const TIMEOUT: Duration = Duration::from_mins(10);
const KIB_PER_GB: u64 = 1024 * 1024;

const SCRIPT: &str = include_str!("images.sh");

#[derive(Clone)]
pub struct ImageCleanup {
    pub db: PgPool,
    pub hosts: Arc<HostDirectory>,
    /// Images are removed where a server's disk has less free space than this, in GB.
    pub min_free_gb: u32,
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the database refused or did not respond: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Docker did not respond: {0}")]
    Docker(String),
}

impl ImageCleanup {
    /// Cleans each server that is not offline, and logs the result.
    pub async fn run_and_report(&self) {
        let servers = match servers::in_use(&self.db).await {
            Ok(servers) => servers,
            Err(error) => {
                tracing::warn!(%error, "The image cleanup failed; the next run continues.");
                return;
            }
        };
        for server in servers {
            let name = &server.name;
            match self.clean(&server).await {
                Ok(removed) if removed.is_empty() => {
                    tracing::debug!(server.name = %name, "Server {name} keeps its images.");
                }
                Ok(removed) => {
                    let images = removed.join(", ");
                    tracing::info!(server.name = %name, images, "The disk of server {name} is short: {images} removed.");
                }
                Err(error) => {
                    tracing::warn!(server.name = %name, %error, "The image cleanup of server {name} failed; the next run continues.");
                }
            }
        }
    }

    /// Returns the images that were removed.
    async fn clean(&self, server: &Server) -> Result<Vec<String>, Stopped> {
        let mut images = images::of_server(&self.db, &server.id).await?;
        // Every pod whose config names no image needs the base image.
        images.retain(|image| image.strip_suffix(":latest").unwrap_or(image) != DEFAULT_IMAGE);
        if images.is_empty() {
            return Ok(images);
        }
        let host = self.hosts.get(server)?;
        let docker = docker_words(host.docker_needs_sudo().await?).join(" ");
        let needed = (u64::from(self.min_free_gb) * KIB_PER_GB).to_string();
        let clean = Command::new("sh").args(["-c", SCRIPT, "sh", &needed, &docker]).args(&images).timeout(TIMEOUT);
        let Ran { outcome, output } = host.run(&clean, Policy::Plain, &CancellationToken::new()).await?;
        if !outcome.success() {
            return Err(Stopped::Docker(format!("the cleanup {outcome}: {}", output.stderr_head())));
        }
        // The host's output counts only where it names an image that we asked to remove.
        let printed = String::from_utf8_lossy(&output.stdout);
        images.retain(|image| printed.lines().any(|line| line == image));
        images::gone(&self.db, &server.id, &images).await?;
        for image in &images {
            host.facts.forget(&image_fact(image));
        }
        Ok(images)
    }
}
