//! The tasks of the schedule. Every worker sees each tick at the same time; the one that inserts its row does the work.

pub mod cleanup;
pub mod images;
pub mod sealing;

use std::time::Duration;

use apalis_cron::{CronScheduler, Schedule, Tick};
use chrono::{DateTime, Utc};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store;

/// Lets jobs that waited for a worker go first.
const FIRST_RUN_DELAY: Duration = Duration::from_secs(5);
/// The pause before a scheduler that ended is made again: it ends when the clock jumps.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// Work that is repeated, by one worker each time, and that logs its own result.
pub struct Task {
    /// The name in `schedule_ticks`.
    pub name: &'static str,
    pub interval: Duration,
    work: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Task {
    /// Each run of `work` gets a clone of `state`.
    pub fn new<S, F>(
        name: &'static str,
        interval: Duration,
        state: S,
        work: impl Fn(S) -> F + Send + Sync + 'static,
    ) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self { name, interval, work: Box::new(move || work(state.clone()).boxed()) }
    }
}

/// Ticks at whole multiples of the interval since 1970, so that all workers agree on them.
#[derive(Debug, Clone)]
struct Every(Duration);

impl<Tz> Schedule<Tz> for Every {
    fn next_tick(&mut self, _: &Tz) -> Option<Tick<Tz>> {
        let interval = self.0.as_secs().max(1);
        let now = u64::try_from(Utc::now().timestamp()).ok()?;
        Some(Tick::new((now / interval + 1) * interval))
    }
}

/// Runs the schedule until `end`. Each task also runs once at the start, because a worker that never lives for a whole
/// interval may see no tick.
pub async fn run(db: PgPool, tasks: Vec<Task>, end: CancellationToken) {
    let forever = async {
        tokio::time::sleep(FIRST_RUN_DELAY).await;
        join_all(tasks.iter().map(async |task| {
            (task.work)().await;
            loop {
                follow(&db, task).await;
                tokio::time::sleep(REBUILD_PAUSE).await;
            }
        }))
        .await;
    };
    tokio::select! {
        () = forever => {}
        () = end.cancelled() => {}
    }
}

async fn follow(db: &PgPool, task: &Task) {
    let mut ticks = Box::pin(CronScheduler::new(Every(task.interval)).into_stream());
    while let Some(Ok(tick)) = ticks.next().await {
        let at = i64::try_from(tick.get_timestamp()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let Some(at) = at else { return };
        match store::schedule::claim_tick(db, task.name, at).await {
            Ok(true) => (task.work)().await,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "The scheduled {} is skipped, because its tick could not be claimed.", task.name);
            }
        }
    }
}
