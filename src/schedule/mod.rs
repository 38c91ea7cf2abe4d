//! The tasks of the schedule. Every worker sees every tick, at the same moment for all; the one that takes it on record
//! does the work.

pub mod cleanup;

use std::time::Duration;

use apalis_cron::{CronScheduler, Schedule, Tick};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store;

/// Long enough after the start that the jobs which waited go first.
const FIRST_RUN_DELAY: Duration = Duration::from_secs(5);
/// The scheduler gives up when the clock jumps; it is made anew.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// Ticks at the whole multiples of an interval since 1970, so that all workers agree on them.
#[derive(Debug, Clone)]
struct Every(Duration);

impl<Tz> Schedule<Tz> for Every {
    fn next_tick(&mut self, _: &Tz) -> Option<Tick<Tz>> {
        let interval = self.0.as_secs().max(1);
        let now = u64::try_from(Utc::now().timestamp()).ok()?;
        Some(Tick::new((now / interval + 1) * interval))
    }
}

/// Runs the schedule until `end`.
pub async fn run(db: PgPool, cleanup: cleanup::Cleanup, end: CancellationToken) {
    let forever = async {
        tokio::time::sleep(FIRST_RUN_DELAY).await;
        cleanup.run_and_report(&db).await;
        loop {
            follow(&db, &cleanup).await;
            tokio::time::sleep(REBUILD_PAUSE).await;
        }
    };
    tokio::select! {
        () = forever => {}
        () = end.cancelled() => {}
    }
}

async fn follow(db: &PgPool, cleanup: &cleanup::Cleanup) {
    let mut ticks = Box::pin(CronScheduler::new(Every(cleanup.interval)).into_stream());
    while let Some(Ok(tick)) = ticks.next().await {
        let at = i64::try_from(tick.get_timestamp()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let Some(at) = at else { return };
        match store::schedule::claim_tick(db, cleanup::NAME, at).await {
            Ok(true) => cleanup.run_and_report(db).await,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "The scheduled cleanup could not be taken on; the next one will be."),
        }
    }
}
