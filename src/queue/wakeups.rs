//! Listens for new wakeups over one connection, and wakes only the queue that each is for, because waking an apalis
//! worker costs a fetch. Wakeups that arrive together cause one fetch.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use serde::Deserialize;
use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::Notify;

use crate::store::wakeups::Queue;

/// The channel on which apalis's trigger announces a new wakeup.
const WAKEUPS: &str = "apalis::job::insert";
/// The pause before a lost connection is replaced; meanwhile the queues are polled.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Wakeups {
    ordinary: Arc<Notify>,
    urgent: Arc<Notify>,
}

#[derive(Deserialize)]
struct Written {
    job_type: String,
}

impl Wakeups {
    fn of(&self, queue: Queue) -> &Arc<Notify> {
        match queue {
            Queue::Ordinary => &self.ordinary,
            Queue::Urgent => &self.urgent,
        }
    }

    /// Yields whenever there may be a wakeup to fetch.
    pub fn stream(&self, queue: Queue) -> impl Stream<Item = ()> + Send + Unpin + use<> {
        futures::stream::unfold(Arc::clone(self.of(queue)), async |written| {
            written.notified().await;
            Some(((), written))
        })
        .boxed()
    }

    /// Listens until the future is dropped.
    pub async fn listen(&self, db: &PgPool) {
        loop {
            if let Err(error) = self.listen_once(db).await {
                tracing::debug!(%error, "Wakeups are polled for until the database can be listened to again.");
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Listens until the connection is lost.
    async fn listen_once(&self, db: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(db).await?;
        listener.listen(WAKEUPS).await?;
        while let Some(notification) = listener.try_recv().await? {
            let Ok(written) = serde_json::from_str::<Written>(notification.payload()) else { continue };
            let queue = [Queue::Ordinary, Queue::Urgent].into_iter().find(|queue| queue.name() == written.job_type);
            if let Some(queue) = queue {
                self.of(queue).notify_one();
            }
        }
        Ok(())
    }
}
