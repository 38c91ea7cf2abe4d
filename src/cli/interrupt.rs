//! Ctrl-C.

use tokio_util::sync::CancellationToken;

/// Cancelled by Ctrl-C: what is under way on a server ends, and is cleared away.
pub fn cancelled_by_interrupt() -> CancellationToken {
    let cancel = CancellationToken::new();
    let on_interrupt = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_interrupt.cancel();
        }
    });
    cancel
}
