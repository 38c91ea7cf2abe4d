//! `logs`: prints a pod's log as a terminal would show it.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use sqlx::{PgPool, postgres::PgListener};

use crate::{
    cli::view::{follow, output, screen::Screen},
    settings::Settings,
    store::{
        logs::{self, Cursor, LogRow},
        pods,
    },
};

/// Rows that are held in memory at a time; each may have several MiB.
const PAGE_ROWS: i64 = 20;
const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct Logs {
    /// The pod's id, or the slug of a live pod. The log outlives the pod by some days, under its id.
    pod: String,
    /// Keep printing new output until Ctrl-C. With --json, prints one object a line, as each command ends.
    #[arg(long, short)]
    follow: bool,
    /// Show the commands that were run on the host, too, and not only those that were run inside the pod.
    #[arg(long)]
    all: bool,
}

pub async fn run(settings: &Settings, args: Logs) -> anyhow::Result<ExitCode> {
    let db = crate::cli::database::open(settings).await?;
    let known = pods::find(&db, &args.pod).await?;
    let is_known = known.is_some();
    let log = Log { db, pod_id: known.unwrap_or_else(|| args.pod.clone()), all: args.all, json: settings.json };
    let is_empty = logs::page(&log.db, &log.pod_id, true, &Cursor::default(), 1).await?.is_empty();
    anyhow::ensure!(
        is_known || !is_empty,
        "there is no pod {:?}, and no log of a pod with this id. Give a pod's id, or the slug of one that is not \
         destroyed; `pinacle-worker pods list --all` shows all",
        args.pod
    );
    if args.follow {
        let mut screen = Screen::new(output::colours());
        tokio::select! {
            followed = log.follow(&mut screen) => followed?,
            _ = tokio::signal::ctrl_c() => {}
        }
        if !log.json {
            output::clean(screen.close())?;
        }
    } else if !log.print().await? && !log.json {
        output::note(match (is_empty, args.all) {
            (true, _) => format!("Pod {} has no log yet.", args.pod),
            (false, _) => {
                format!("No command was run inside pod {} yet; --all shows those that were run on its host.", args.pod)
            }
        });
    }
    Ok(ExitCode::SUCCESS)
}

struct Log {
    db: PgPool,
    pod_id: String,
    all: bool,
    json: bool,
}

impl Log {
    async fn page(&self, cursor: &Cursor) -> Result<Vec<LogRow>, sqlx::Error> {
        logs::page(&self.db, &self.pod_id, self.all, cursor, PAGE_ROWS).await
    }

    /// Prints all rows. Returns false if there are none.
    async fn print(&self) -> anyhow::Result<bool> {
        let mut screen = Screen::new(output::colours());
        let (mut cursor, mut printed) = (Cursor::default(), false);
        let mut document = JsonArray::default();
        loop {
            let page = self.page(&cursor).await?;
            for row in &page {
                if self.json {
                    document.push(row)?;
                } else {
                    output::clean(&screen.show(row, true))?;
                }
                printed = true;
            }
            let Some(last) = page.last() else { break };
            cursor = Cursor::behind(last);
        }
        if self.json {
            document.end()?;
        }
        Ok(printed)
    }

    async fn follow(&self, screen: &mut Screen) -> anyhow::Result<()> {
        let mut cursor = Cursor::default();
        let mut events = follow::listen(&self.db).await;
        let mut last_read = Instant::now();
        loop {
            let page = match self.page(&cursor).await {
                Err(_) if last_read.elapsed() < follow::PATIENCE => {
                    tokio::time::sleep(POLL_INTERVAL).await;
                    continue;
                }
                page => page?,
            };
            last_read = Instant::now();
            for (at, row) in page.iter().enumerate() {
                // A row with another one behind it grows no more, however its command ended.
                let is_over = row.exit_code.is_some() || at + 1 < page.len();
                if !self.json {
                    output::clean(&screen.show(row, is_over))?;
                } else if is_over {
                    output::json_line(row)?;
                }
                if is_over {
                    cursor = Cursor::behind(row);
                }
            }
            if page.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX) {
                pause(&mut events).await;
            }
        }
    }
}

/// Waits for the next event or the poll's interval: the start of a step is announced, output is not.
async fn pause(events: &mut Option<PgListener>) {
    let notified = async {
        match events {
            Some(listener) => listener.try_recv().await.is_ok_and(|event| event.is_some()),
            None => std::future::pending().await,
        }
    };
    if tokio::time::timeout(POLL_INTERVAL, notified).await == Ok(false) {
        *events = None;
    }
}

/// One JSON array, written row by row.
#[derive(Default)]
struct JsonArray {
    begun: bool,
}

impl JsonArray {
    fn push(&mut self, row: &LogRow) -> Result<(), output::OutputError> {
        output::clean(if self.begun { "," } else { "[" })?;
        self.begun = true;
        output::json_line(row)
    }

    fn end(&self) -> Result<(), output::OutputError> {
        output::clean(if self.begun { "]\n" } else { "[]\n" })
    }
}
