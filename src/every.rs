//! Paces work that is repeated until it is cancelled.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The rounds of such work, with a pause between them.
pub struct Every {
    pause: Duration,
    end: CancellationToken,
    begun: bool,
}

impl Every {
    pub fn new(pause: Duration, end: CancellationToken) -> Self {
        Self { pause, end, begun: false }
    }

    /// Waits for the next round; the first is due at once. False once `end` is cancelled.
    pub async fn round(&mut self) -> bool {
        if std::mem::replace(&mut self.begun, true) {
            self.end.run_until_cancelled(tokio::time::sleep(self.pause)).await;
        }
        !self.end.is_cancelled()
    }
}
