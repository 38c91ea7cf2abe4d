//! Keeps a connection to every pod host open, so that a first command does not wait for one, and writes
//! `servers.last_heartbeat_at`.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::HostDirectory;
use crate::{
    every::Every,
    store::servers::{self, Server},
};

const INTERVAL: Duration = Duration::from_secs(30);

/// Probes every server that is not offline, until `end`.
pub async fn keep_connected(db: PgPool, hosts: Arc<HostDirectory>, end: CancellationToken) {
    let mut every = Every::new(INTERVAL, end.clone());
    while every.round().await {
        let probe_all = async {
            let servers = servers::in_use(&db).await.unwrap_or_default();
            join_all(servers.iter().map(|server| probe(&db, &hosts, server))).await;
        };
        end.run_until_cancelled(probe_all).await;
    }
}

async fn probe(db: &PgPool, hosts: &HostDirectory, server: &Server) {
    let probed = match hosts.get(server) {
        Ok(host) => host.connection.test_connection().await,
        Err(error) => Err(error),
    };
    match probed {
        Ok(()) => drop(servers::record_heartbeat(db, &server.id).await),
        Err(error) => tracing::warn!(server.name = %server.name, %error, "Server {} does not respond.", server.name),
    }
}
