//! The worker pool: apalis delivers wakeups, and each is handled by claiming the pod's next job and running it.
//!
//! An execution is a separate task, which outlives the apalis worker that started it: an apalis worker ends when it
//! loses the database, and is replaced by one of another name.

use std::{sync::Arc, time::Duration};

use apalis::prelude::{BackendExt, BoxDynError, Data, StreamStrategy, TaskId, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::{Config, PostgresStorage};
use futures::future;
use sqlx::PgPool;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use uuid::Uuid;

use super::{leases, running::Running, slots::Slots, sweep, wakeups::Wakeups};
use crate::{
    jobs::{JobOutcome, StopReason, delay_after, execute},
    model::JobStatus,
    remote::connection::CANCEL_MARGIN,
    steps::Environment,
    store::{
        jobs::{self, Claimant, Claimed},
        steps::Changes,
        wakeups::{self, Queue},
    },
    telemetry::metrics::{JOB_DURATION, JOB_WAIT, JOBS, JOBS_RUNNING},
};

/// How often wakeups are polled for, beside LISTEN: those written for later become due without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The most wakeups that one query fetches. Many at once are cheaper: a query costs more the more wakeups wait.
const MAX_BATCH: usize = 64;
/// How long fetched wakeups wait here for a slot before they are offered to the other workers, too.
const OFFER_AFTER: Duration = Duration::from_millis(200);
/// The pause before an apalis worker that ended is replaced, which spares a database that is down.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);
/// How long interrupted jobs may take to end: a command's time after its cancel, and some for the last writes.
const ABORT_GRACE: Duration = CANCEL_MARGIN.saturating_add(Duration::from_secs(10));

#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// How many creates, starts and restarts run at a time; stops and destroys have as many slots again.
    pub concurrency: u32,
    /// How long one execution of a job may take.
    pub job_timeout: Duration,
    /// How long jobs may go on, to the end of a step, once the worker is stopping.
    pub drain_timeout: Duration,
}

struct Pool {
    environment: Environment,
    db: PgPool,
    settings: PoolSettings,
    /// This process's name in `pod_jobs.worker`.
    name: String,
    running: Arc<Running>,
    ordinary: Slots,
    urgent: Slots,
    wakeups: Wakeups,
    tasks: TaskTracker,
    drain: CancellationToken,
}

/// Takes and runs jobs until `drain`, then gives running jobs the drain timeout to reach the end of a step.
/// Queries outside of executions use `db`, so that they never wait for a connection that executions hold.
pub async fn run(environment: Environment, db: PgPool, settings: PoolSettings, drain: CancellationToken) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let pool = Arc::new(Pool {
        name: format!("{}-{}-{}", host.trim(), std::process::id(), Uuid::new_v4().simple()),
        running: Arc::default(),
        ordinary: Slots::new(settings.concurrency),
        urgent: Slots::new(settings.concurrency),
        wakeups: Wakeups::default(),
        tasks: TaskTracker::new(),
        drain: drain.clone(),
        db,
        environment,
        settings,
    });
    tracing::info!(worker.name = %pool.name, jobs = pool.settings.concurrency, "The worker takes jobs.");

    // The heartbeat continues while jobs drain, or a healthy worker would be taken for dead.
    let end = CancellationToken::new();
    let (db, lease) = (pool.db.clone(), pool.environment.lease.clone());
    let renewals =
        tokio::spawn(leases::run(db.clone(), pool.name.clone(), Arc::clone(&pool.running), lease, end.clone()));
    let sweeps = tokio::spawn(sweep::run(db, end.clone()));

    // Each apalis worker has its own task, because whatever wakes the task costs a fetch.
    let deliver = |queue| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { keep_delivering(&pool, queue).await })
    };
    let deliveries = future::try_join(deliver(Queue::Ordinary), deliver(Queue::Urgent));
    tokio::select! {
        ended = deliveries => if let Err(panic) = ended { std::panic::resume_unwind(panic.into_panic()) },
        () = pool.wakeups.listen(&pool.db) => {}
    }

    pool.tasks.close();
    if tokio::time::timeout(pool.settings.drain_timeout, pool.tasks.wait()).await.is_err() {
        tracing::warn!("Jobs still run after the drain timeout; they are interrupted and released.");
        pool.running.stop_all(&StopReason::Shutdown);
        drop(tokio::time::timeout(ABORT_GRACE, pool.tasks.wait()).await);
    }
    end.cancel();
    drop(tokio::join!(renewals, sweeps));
    tracing::info!("The worker has stopped.");
}

impl Pool {
    fn slots(&self, queue: Queue) -> &Slots {
        match queue {
            Queue::Ordinary => &self.ordinary,
            Queue::Urgent => &self.urgent,
        }
    }
}

async fn keep_delivering(pool: &Arc<Pool>, queue: Queue) {
    let mut generation = 0;
    while !pool.drain.is_cancelled() {
        generation += 1;
        if let Err(error) = deliver(pool, queue, generation).await {
            tracing::warn!(%error, "The delivery of jobs was interrupted; it is taken up again.");
        }
        tokio::select! {
            () = tokio::time::sleep(REBUILD_PAUSE) => {}
            () = pool.drain.cancelled() => {}
        }
    }
}

/// Runs one apalis worker until it ends or the pool drains. It may fetch more wakeups than it has free slots; those
/// that wait are offered to the other workers, and the first with a free slot handles them.
async fn deliver(pool: &Arc<Pool>, queue: Queue, generation: u32) -> Result<(), BoxDynError> {
    let (db, slots) = (&pool.db, usize::try_from(pool.settings.concurrency)?);
    let name = format!("{}-{}-{generation}", pool.name, queue.name());
    let config =
        Config::default().queue(queue.name()).batch_size(slots.min(MAX_BATCH)).lock_tasks(false).persist_results(false);
    let storage: PostgresStorage<String> = PostgresStorage::new(db).with_config(config);
    let written = StreamStrategy::new(pool.wakeups.stream(queue));
    let worker = WorkerBuilder::new(&*name)
        .backend(storage.poll_with_strategy(written).poll_with_interval(POLL_INTERVAL))
        .concurrency(slots)
        .data(Arc::clone(pool))
        .data(queue)
        .build(handle);
    let offer = async || {
        if let Err(error) = wakeups::offer(db, &name).await {
            tracing::debug!(%error, "Wakeups that wait here could not be offered; the sweep gives them back.");
        }
    };
    let offer_what_waits = async {
        loop {
            pool.slots(queue).all_taken_for(OFFER_AFTER).await;
            offer().await;
        }
    };
    let drain = pool.drain.clone();
    let ended = tokio::select! {
        ended = worker.run() => ended.map_err(BoxDynError::from),
        () = offer_what_waits => Ok(()),
        () = drain.cancelled() => Ok(()),
    };
    offer().await;
    ended
}

/// Handles a wakeup: claims the pod's next job and runs it, in a task that outlives this one.
async fn handle(pod_id: String, wakeup: TaskId, pool: Data<Arc<Pool>>, queue: Data<Queue>) -> Result<(), BoxDynError> {
    let (pool, queue) = (Arc::clone(&pool), *queue);
    let tasks = pool.tasks.clone();
    tasks.spawn(async move { take(&pool, queue, &pod_id, &wakeup.to_string()).await }).await?;
    Ok(())
}

async fn take(pool: &Arc<Pool>, queue: Queue, pod_id: &str, wakeup: &str) {
    let Some(_slot) = pool.slots(queue).take().await else { return };
    // The sweep gives back a wakeup that is not handled.
    if pool.drain.is_cancelled() || !pool.environment.lease.is_valid() {
        return;
    }
    let claimant = Claimant {
        worker: &pool.name,
        queue: Some(queue),
        deadline: pool.settings.job_timeout,
        limits: pool.environment.limits,
    };
    match jobs::claim(&pool.environment.db, pod_id, wakeup, &claimant).await {
        Ok(Some(claimed)) => {
            let span = tracing::info_span!("job", job.id = %claimed.job_id, job.kind = %claimed.kind,
                pod.id = %claimed.pod_id, job.attempt = claimed.attempt);
            work(pool, claimed).instrument(span).await;
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(pod.id = pod_id, %error, "The job of pod {pod_id} could not be claimed for now."),
    }
}

async fn work(pool: &Arc<Pool>, claimed: Claimed) {
    let began = std::time::Instant::now();
    let Claimed { kind, .. } = claimed;
    tracing::info!("The {kind} of pod {} begins (attempt {}).", claimed.pod_id, claimed.attempt);
    metrics::histogram!(JOB_WAIT).record(claimed.waited.as_secs_f64());
    metrics::gauge!(JOBS_RUNNING).increment(1.0);

    let entry = pool.running.enter(&claimed.job_id, claimed.lease);
    let execution = {
        let (pool, claimed, stop) = (Arc::clone(pool), claimed.clone(), entry.stop.clone());
        tokio::spawn(
            async move { Box::pin(execute(&pool.environment, &claimed, &stop, &pool.drain)).await }.in_current_span(),
        )
    };
    tokio::pin!(execution);
    let joined = tokio::select! {
        joined = &mut execution => joined,
        () = tokio::time::sleep(pool.settings.job_timeout) => {
            entry.stop.because(StopReason::Deadline);
            execution.await
        }
    };
    let ended = match joined {
        Ok(ended) => ended,
        Err(panic) => {
            tracing::error!(error = %panic, "The {kind} of pod {} hit a bug in the worker.", claimed.pod_id);
            settle_panic(pool, &claimed).await
        }
    };
    drop(entry);

    let seconds = began.elapsed().as_secs_f64();
    metrics::gauge!(JOBS_RUNNING).decrement(1.0);
    metrics::histogram!(JOB_DURATION, "kind" => kind.as_str()).record(seconds);
    metrics::counter!(JOBS, "kind" => kind.as_str(), "outcome" => ended.as_str()).increment(1);
    tracing::info!(
        duration_ms = seconds * 1000.0,
        outcome = ended.as_str(),
        "The {kind} of pod {}: {}.",
        claimed.pod_id,
        ended.as_str()
    );
}

/// Retries a job whose execution panicked, as after any failure that may pass; the last attempt fails the job.
async fn settle_panic(pool: &Pool, claimed: &Claimed) -> JobOutcome {
    let (db, fence) = (&pool.environment.db, claimed.fence());
    let error = "the worker hit a bug while it ran this job; its log has the details";
    let written = if claimed.attempt < claimed.max_attempts {
        jobs::retry(db, &fence, delay_after(claimed.attempt), error).await.map(|()| JobOutcome::Retrying)
    } else {
        jobs::fail(db, &fence, JobStatus::Failed, error, &Changes::default()).await.map(|()| JobOutcome::Failed)
    };
    written.unwrap_or(JobOutcome::Fenced)
}
