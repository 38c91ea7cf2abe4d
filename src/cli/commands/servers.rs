//! `servers`: the pod hosts.

mod add;

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use sqlx::PgPool;

use crate::{
    cli::view::{explain, output},
    settings::Settings,
    store::servers::{self, Server},
};

#[derive(Debug, Subcommand)]
pub enum Servers {
    /// Adds a pod host, and pins its SSH host key.
    Add(Box<add::Add>),
    /// Lists the pod hosts, with how much of each the pods reserve.
    List,
    /// Puts no new pods on a server; those it has stay.
    Drain {
        /// The server's name, or its id.
        server: String,
    },
    /// Lets a server take new pods again.
    Resume {
        /// The server's name, or its id.
        server: String,
    },
    /// Removes a server that has no pods from the database.
    Remove {
        /// The server's name, or its id.
        server: String,
    },
}

pub async fn run(settings: &Settings, command: Servers) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    match command {
        Servers::Add(add) => add::run(&db, settings, *add).await?,
        Servers::List => list(&db, settings).await?,
        Servers::Drain { server } => set_status(&db, settings, &server, "draining").await?,
        Servers::Resume { server } => set_status(&db, settings, &server, "online").await?,
        Servers::Remove { server } => remove(&db, settings, &server).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(db: &PgPool, server: &str) -> anyhow::Result<Server> {
    let found = match servers::find(db, server).await? {
        Some(id) => servers::get(db, &id).await?,
        None => None,
    };
    found.with_context(|| format!("there is no server {server:?}; `pinacle-worker servers list` shows them"))
}

/// The address that a server is reached at.
pub fn address(server: &Server) -> String {
    match &server.ssh_host {
        Some(host) if server.connection == "ssh" => format!("{}@{host}:{}", server.ssh_user, server.ssh_port),
        _ => "this machine".to_owned(),
    }
}

async fn list(db: &PgPool, settings: &Settings) -> anyhow::Result<()> {
    let servers = servers::list(db).await?;
    if settings.json {
        return Ok(output::json(&servers)?);
    }
    let rows = servers.into_iter().map(|entry| {
        let server = entry.server;
        [
            server.name.clone(),
            server.status.clone(),
            address(&server),
            entry.pods.to_string(),
            format!("{}/{}", entry.reserved_cpu_cores, server.cpu_cores),
            format!("{}/{}", entry.reserved_memory_mb, server.memory_mb),
            format!("{}/{}", entry.reserved_disk_gb, server.disk_gb),
            server.domain,
            server.last_heartbeat_at.map(output::time).unwrap_or_default(),
        ]
    });
    let header = ["NAME", "STATUS", "ADDRESS", "PODS", "CPU", "MEMORY MB", "DISK GB", "DOMAIN", "LAST SEEN"];
    Ok(output::line(output::table(header, rows))?)
}

async fn set_status(db: &PgPool, settings: &Settings, server: &str, status: &str) -> anyhow::Result<()> {
    let server = find(db, server).await?;
    anyhow::ensure!(servers::set_status(db, &server.id, status).await?, "server {} is gone", server.name);
    let server = find(db, &server.id).await?;
    if settings.json {
        return Ok(output::json(&server)?);
    }
    let takes = if status == "online" { "takes new pods" } else { "takes no new pods; those it has stay" };
    Ok(output::line(format!("Server {} is {status}: it {takes}.", server.name))?)
}

async fn remove(db: &PgPool, settings: &Settings, server: &str) -> anyhow::Result<()> {
    let server = find(db, server).await?;
    let still_used = |pods: i64| {
        let (name, pods) = (&server.name, if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") });
        anyhow::anyhow!(
            "server {name} still has {pods}. Run `pinacle-worker servers drain {name}`, so that it gets no more, \
             destroy what it has (`pods list`, `pods destroy`), then remove it"
        )
    };
    let pods = servers::live_pods(db, &server.id).await?;
    if pods > 0 {
        return Err(still_used(pods));
    }
    match servers::remove(db, &server.id).await {
        // A pod was placed there at this very moment.
        Err(error) if explain::breaks(&error, "pods_server_id_fkey") => {
            return Err(still_used(servers::live_pods(db, &server.id).await?.max(1)));
        }
        removed => removed?,
    }
    if settings.json {
        return Ok(output::json(&json!({ "removed": server.name, "id": server.id }))?);
    }
    Ok(output::line(format!("Server {} is removed.", server.name))?)
}
