//! Serves a worker's health and metrics over HTTP, for a supervisor and a monitoring system.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{every::Every, store, telemetry};

/// A database that responds later than this is not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request may go on once the worker has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often recorded values are put into their histograms, whether or not anybody asks for these.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Served {
    db: PgPool,
    drain: CancellationToken,
    metrics: PrometheusHandle,
}

/// Listens on the address, and returns what serves it until `end`; from `drain` on, the worker is not ready.
///
/// # Errors
/// The address is taken or not this machine's, or this process has a metrics recorder already.
pub async fn serve(
    address: SocketAddr,
    db: PgPool,
    drain: CancellationToken,
    end: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!("HTTP_ADDR {address} cannot be listened on: {error}. Choose another address or port")
    })?;
    // Port 0 stands for any free port; this says which one it became.
    let address = listener.local_addr()?;
    let metrics = PrometheusBuilder::new().install_recorder()?;
    telemetry::metrics::describe();
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async |State(served): State<Served>| served.metrics.render()))
        .with_state(Served { db, drain, metrics: metrics.clone() });
    tracing::info!(http.address = %address, "Health and metrics are served on http://{address}.");
    Ok(async move {
        let closing = end.clone();
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { closing.cancelled().await });
        tokio::select! {
            served = served => if let Err(error) = served {
                tracing::error!(%error, "Health and metrics are no longer served.");
            },
            () = keep_up(&metrics) => {}
            () = async { end.cancelled().await; tokio::time::sleep(CLOSE_TIMEOUT).await } => {}
        }
    })
}

/// Keeps histograms that are never scraped from growing.
async fn keep_up(metrics: &PrometheusHandle) {
    let mut every = Every::new(UPKEEP_INTERVAL, CancellationToken::new());
    while every.round().await {
        metrics.run_upkeep();
    }
}

async fn readyz(State(served): State<Served>) -> (StatusCode, &'static str) {
    const NOT_READY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    if served.drain.is_cancelled() {
        return (NOT_READY, "the worker is stopping\n");
    }
    match tokio::time::timeout(READY_TIMEOUT, store::schema_is_current(&served.db)).await {
        Ok(Ok(true)) => (StatusCode::OK, "ready\n"),
        Ok(Ok(false)) => (NOT_READY, "the schema is not current: run `pinacle-worker migrate`\n"),
        Ok(Err(_)) | Err(_) => (NOT_READY, "the database does not respond\n"),
    }
}
