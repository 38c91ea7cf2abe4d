//! Keeps in touch with the pod hosts: a first command finds its connection open, and `servers.last_heartbeat_at` says
//! who answers.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    host::HostDirectory,
    store::servers::{self, Server},
};

const INTERVAL: Duration = Duration::from_secs(30);

/// Greets every server that is not offline, until `end`.
pub async fn keep_in_touch(db: PgPool, hosts: Arc<HostDirectory>, end: CancellationToken) {
    loop {
        let round = async {
            let servers = servers::in_use(&db).await.unwrap_or_default();
            join_all(servers.iter().map(|server| greet(&db, &hosts, server))).await;
        };
        tokio::select! {
            () = async { round.await; tokio::time::sleep(INTERVAL).await } => {}
            () = end.cancelled() => return,
        }
    }
}

async fn greet(db: &PgPool, hosts: &HostDirectory, server: &Server) {
    let answered = match hosts.get(server) {
        Ok(host) => host.connection.test_connection().await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(()) => drop(servers::heard_from(db, &server.id).await),
        Err(error) => tracing::warn!(server.name = %server.name, %error, "Server {} does not answer.", server.name),
    }
}
