//! The tasks of the schedule. Every worker sees every tick, at the same moment for all; the one that takes it on record
//! does the work.

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

/// Long enough after the start that the jobs which waited go first.
const FIRST_RUN_DELAY: Duration = Duration::from_secs(5);
/// The scheduler gives up when the clock jumps; it is made anew.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// Something that is done again and again, by one worker each time. It says itself what came of it.
pub struct Task {
    /// Its name on record.
    pub name: &'static str,
    pub interval: Duration,
    work: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Task {
    /// `work` is given a copy of `state` each time.
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

/// Runs the schedule until `end`. Each task is done once at the start, too: where workers seldom live for an interval, no
/// tick would find one.
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
                tracing::warn!(%error, "The scheduled {} could not be taken on; the next one will be.", task.name);
            }
        }
    }
}
