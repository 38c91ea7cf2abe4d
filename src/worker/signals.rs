//! The soft and the hard stop, by SIGTERM and SIGINT (Ctrl-C).

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The first signal drains, the second ends the process at once: its jobs are taken up by another worker.
pub fn stop_on_signals(drain: CancellationToken) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if drain.is_cancelled() {
                tracing::warn!("A second signal: ending at once.");
                std::process::exit(1);
            }
            tracing::info!("Stopping: no new jobs are taken, running ones reach the end of a step.");
            drain.cancel();
        }
    });
    Ok(())
}
