//! The steps of a job. Their changes are written with the next command's row or with the end of the job, so a step
//! costs no commit of its own and is on record before it has an effect on a host.

use std::time::Instant;

use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use tokio::sync::Mutex;

use super::{
    StoreError,
    logs::{self, NewLog},
    pods, when_unlocked,
};
use crate::{
    fault,
    model::{Fence, PodStatus},
};

#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    pub position: i32,
    pub name: String,
    pub status: String,
    pub attempt: i32,
    pub started_at: chrono::DateTime<chrono::Utc>,
    pub finished_at: Option<chrono::DateTime<chrono::Utc>>,
    pub error: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEnd {
    Succeeded,
    Skipped,
    Failed(String),
}

#[derive(Debug, Clone)]
struct Change {
    position: i32,
    name: &'static str,
    began: Instant,
    /// Whether the step's row is written already.
    begin_is_written: bool,
    ended: Option<(Instant, StepEnd)>,
}

/// Changes of steps that are not written yet, in the order of the steps.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    attempt: i32,
    total: i32,
    steps: Vec<Change>,
}

impl Changes {
    /// For a job of `total` steps, at its attempt `attempt`.
    pub fn new(attempt: i32, total: i32) -> Self {
        Self { attempt, total, steps: Vec::new() }
    }

    pub fn begin(&mut self, position: i32, name: &'static str) {
        self.steps.push(Change { position, name, began: Instant::now(), begin_is_written: false, ended: None });
    }

    /// Ends the step that was begun last.
    pub fn end(&mut self, end: StepEnd) {
        if let Some(step) = self.steps.last_mut() {
            step.ended = Some((Instant::now(), end));
        }
    }

    fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.begin_is_written && step.ended.is_none())
    }

    /// Drops what is written, and keeps the running step for its end.
    fn written(&mut self) {
        self.steps.retain(|step| step.ended.is_none());
        self.steps.iter_mut().for_each(|step| step.begin_is_written = true);
    }

    pub(super) fn columns(&self) -> Columns {
        let now = Instant::now();
        let ago = |moment: Instant| i64::try_from((now - moment).as_micros()).unwrap_or(i64::MAX);
        let mut columns = Columns { attempt: self.attempt, ..Columns::default() };
        for step in self.steps.iter().filter(|step| !step.begin_is_written || step.ended.is_some()) {
            let end = step.ended.as_ref().map(|(_, end)| end);
            columns.positions.push(step.position);
            columns.names.push(step.name.to_owned());
            columns.statuses.push(end.map_or("running", StepEnd::as_str).to_owned());
            columns.began_us.push(ago(step.began));
            columns.ended_us.push(step.ended.as_ref().map(|(moment, _)| ago(*moment)));
            columns.errors.push(end.and_then(StepEnd::error).map(str::to_owned));
            let done = end.is_some_and(|end| end.error().is_none());
            columns.step = Some(step.name.to_owned());
            columns.done = Some(step.position + i32::from(done));
            columns.total = Some(self.total);
        }
        columns
    }

    /// Passes one boundary for each begin and each end that is about to be written.
    pub(super) fn fault_boundaries(&self) {
        for step in &self.steps {
            if !step.begin_is_written {
                fault::boundary(|| "the beginning of a step".to_owned());
            }
            if step.ended.is_some() {
                fault::boundary(|| "the end of a step".to_owned());
            }
        }
    }
}

impl StepEnd {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed(_) => "failed",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Succeeded | Self::Skipped => None,
        }
    }
}

/// The changes as columns of a statement. Times are microseconds ago, so that the database's clock dates them.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub attempt: i32,
    pub positions: Vec<i32>,
    pub names: Vec<String>,
    pub statuses: Vec<String>,
    pub began_us: Vec<i64>,
    pub ended_us: Vec<Option<i64>>,
    pub errors: Vec<Option<String>>,
    /// What the job says of its steps; `None` where there is no change.
    pub step: Option<String>,
    pub done: Option<i32>,
    pub total: Option<i32>,
}

/// Changes of an execution that its next write carries along.
#[derive(Debug)]
pub struct Progress(Mutex<Unwritten>);

#[derive(Debug, Default)]
struct Unwritten {
    pod: Option<PodStatus>,
    changes: Changes,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.pod.is_none() && self.changes.is_empty()
    }

    async fn write(&self, db: &mut PgConnection, fence: &Fence) -> Result<(), StoreError> {
        if let Some(status) = self.pod {
            pods::set_status(&mut *db, fence, status).await?;
        }
        if self.changes.is_empty() { Ok(()) } else { write(db, fence, &self.changes).await }
    }

    fn written(&mut self) {
        self.pod = None;
        self.changes.written();
    }
}

impl Progress {
    /// `attempt` is the job's.
    pub fn new(attempt: i32) -> Self {
        Self(Mutex::new(Unwritten { pod: None, changes: Changes::new(attempt, 0) }))
    }

    /// Notes that `total` steps are about to begin, with `transitional` as the pod's status while they run.
    pub async fn enter(&self, transitional: PodStatus, total: i32) {
        let mut unwritten = self.0.lock().await;
        unwritten.pod = Some(transitional);
        unwritten.changes.total = total;
    }

    pub async fn begin(&self, position: i32, name: &'static str) {
        self.0.lock().await.changes.begin(position, name);
    }

    pub async fn end(&self, end: StepEnd) {
        self.0.lock().await.changes.end(end);
    }

    /// Writes what is unwritten, before something that may take long.
    pub async fn write(&self, db: &PgPool, fence: &Fence) -> Result<(), StoreError> {
        let mut unwritten = self.0.lock().await;
        if unwritten.is_empty() {
            return Ok(());
        }
        when_unlocked(|| async {
            let mut tx = db.begin().await?;
            unwritten.write(&mut tx, fence).await?;
            Ok(tx.commit().await?)
        })
        .await?;
        unwritten.written();
        Ok(())
    }

    /// Writes the row of a command before it runs, and with it what is unwritten. Returns the row's id.
    pub async fn write_with_log(&self, db: &PgPool, fence: &Fence, log: &NewLog<'_>) -> Result<String, StoreError> {
        let mut unwritten = self.0.lock().await;
        if unwritten.is_empty() {
            drop(unwritten);
            return logs::begin(db, fence, log).await;
        }
        let id = when_unlocked(|| async {
            let mut tx = db.begin().await?;
            unwritten.write(&mut tx, fence).await?;
            let id = logs::begin(&mut *tx, fence, log).await?;
            tx.commit().await?;
            Ok(id)
        })
        .await?;
        unwritten.written();
        Ok(id)
    }

    /// The unwritten changes of steps, for the write that ends the job.
    pub async fn changes(&self) -> Changes {
        self.0.lock().await.changes.clone()
    }
}

/// Writes the rows of steps, and what the job says of them.
pub async fn write(db: &mut PgConnection, fence: &Fence, changes: &Changes) -> Result<(), StoreError> {
    changes.fault_boundaries();
    let columns = changes.columns();
    let statement = sqlx::query!(
        "WITH job AS (
             UPDATE pinacle.pod_jobs SET step = $3, steps_done = $4, steps_total = $5
             WHERE id = $1 AND lease = $2 AND status = 'running'
             RETURNING id
         )
         INSERT INTO pinacle.pod_job_steps (job_id, position, name, status, attempt, started_at, finished_at, error)
         SELECT job.id, s.position, s.name, s.status, $6, statement_timestamp() - s.began_us * interval '1 microsecond',
                statement_timestamp() - s.ended_us * interval '1 microsecond', s.error
         FROM job, unnest($7::int[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::text[])
             AS s(position, name, status, began_us, ended_us, error)
         ON CONFLICT (job_id, position) DO UPDATE
         SET name = excluded.name, status = excluded.status, attempt = excluded.attempt,
             finished_at = excluded.finished_at, error = excluded.error,
             started_at = CASE WHEN pod_job_steps.status = 'running' THEN pod_job_steps.started_at ELSE excluded.started_at END",
        fence.job_id,
        fence.lease,
        columns.step,
        columns.done,
        columns.total,
        columns.attempt,
        &columns.positions,
        &columns.names,
        &columns.statuses,
        &columns.began_us,
        &columns.ended_us as &[Option<i64>],
        &columns.errors as &[Option<String>]
    );
    let written = statement.execute(db).await?;
    if written.rows_affected() == 0 { Err(fence.lost("a step")) } else { Ok(()) }
}

pub async fn of_job(db: &PgPool, job_id: &str) -> Result<Vec<StepRow>, sqlx::Error> {
    sqlx::query_as!(
        StepRow,
        "SELECT position, name, status, attempt, started_at, finished_at, error
         FROM pinacle.pod_job_steps WHERE job_id = $1 ORDER BY position",
        job_id
    )
    .fetch_all(db)
    .await
}
