//! Ctrl-C.

use tokio_util::sync::CancellationToken;

/// A token that Ctrl-C cancels, so that commands on servers end and are cleaned up.
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
