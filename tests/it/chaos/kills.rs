//! `kill -9` at every boundary of every kind of job.

use std::{
    os::unix::process::ExitStatusExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinSet};

use super::lane::{Lane, config};
use crate::support::PodHost;

/// A kind of job, and those that lead a pod to where it makes sense.
const KINDS: [(&str, &[&str]); 5] = [
    ("create", &[]),
    ("start", &["create", "stop"]),
    ("stop", &["create"]),
    ("restart", &["create"]),
    ("destroy", &["create"]),
];

/// The boundaries of one kind, given out one at a time until one is not reached.
struct Boundaries {
    next: AtomicUsize,
    all_done: AtomicBool,
}

/// What came of one kill.
struct Kill {
    kind: &'static str,
    number: usize,
    /// What would have been next.
    effect: String,
    /// From the death to the job running again.
    recovery: Duration,
    extra: Vec<String>,
    missing: Vec<String>,
    lost_rows: usize,
}

impl Kill {
    fn is_clean(&self) -> bool {
        self.extra.is_empty() && self.missing.is_empty() && self.lost_rows == 0
    }
}

/// Kills a worker at a boundary. `None` where the job had ended before it.
async fn kill_at(lane: &Lane, pod: &str, kind: &'static str, number: usize) -> Option<Kill> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let (at, trace_path) = (number.to_string(), trace.path().display().to_string());
    let doomed = lane.worker(&[("PINACLE_FAULT_KILL_AT", &at), ("PINACLE_FAULT_TRACE", &trace_path)]).await;
    let db = &lane.db;
    let job = db.job(pod, kind).await;
    let finished = format!("SELECT status IN ('succeeded', 'failed', 'cancelled') FROM pod_jobs WHERE id = '{job}'");
    let died = tokio::select! {
        died = doomed.death() => died,
        () = db.until(&finished) => return None,
    };
    let died_at = db.text("SELECT clock_timestamp()").await;
    let effect = std::fs::read_to_string(&trace_path).unwrap();
    assert_eq!(died.signal(), Some(9), "the worker ended by itself: {died:?}");
    let effect = effect.lines().last().and_then(|line| line.split_once('\t')).unwrap().1.to_owned();
    let rows = lane.finished_rows().await;

    let heir = lane.worker(&[]).await;
    let end = db.end_of(&job).await;
    assert_eq!(end.status, "succeeded", "{kind}, killed before {effect}: {}", end.last_error);
    // By the database's clock, to the first step of the execution that ended the job.
    let recovery = format!(
        "SELECT extract(epoch FROM min(s.started_at) - '{died_at}') FROM pod_job_steps s JOIN pod_jobs j
         ON j.id = s.job_id AND j.attempt = s.attempt WHERE j.id = '{job}'"
    );
    let recovery = Duration::from_secs_f64(db.text(&recovery).await.parse().unwrap());
    let (extra, missing) = lane.amiss(pod).await;
    let after = lane.finished_rows().await;
    let lost_rows = rows.iter().filter(|row| !after.contains(row)).count();
    heir.stop().await;
    Some(Kill { kind, number, effect, recovery, extra, missing, lost_rows })
}

/// One lane's share, until it is given back: the next boundary of the first kind that has any left, on a pod that is brought to where the kind
/// makes sense.
async fn work(lane: Lane, kinds: Arc<[Boundaries; 5]>, stride: usize, kills: Arc<Mutex<Vec<Kill>>>) -> Lane {
    for ((kind, before), boundaries) in KINDS.iter().zip(kinds.iter()) {
        let mut pod: Option<String> = None;
        while !boundaries.all_done.load(Ordering::SeqCst) {
            let number = boundaries.next.fetch_add(stride, Ordering::SeqCst);
            // Stops and starts take turns on one pod; a create and a destroy have each their own.
            let this = match (&pod, *kind) {
                (Some(pod), "start") => {
                    lane.bring(pod, &["stop"]).await;
                    pod.clone()
                }
                (Some(pod), "stop") => {
                    lane.bring(pod, &["start"]).await;
                    pod.clone()
                }
                (Some(pod), "restart") => pod.clone(),
                (last, _) => {
                    if let Some(last) = last {
                        lane.bring(last, &["destroy"]).await;
                    }
                    let fresh = lane.db.pod(&format!("{kind}-{number}"), &config()).await;
                    lane.bring(&fresh, before).await;
                    fresh
                }
            };
            pod = Some(this.clone());
            match kill_at(&lane, &this, kind, number).await {
                Some(kill) => {
                    eprintln!("{}", row(&kill));
                    kills.lock().unwrap().push(kill);
                }
                None => boundaries.all_done.store(true, Ordering::SeqCst),
            }
        }
        if let Some(pod) = pod {
            lane.bring(&pod, &["destroy"]).await;
        }
    }
    lane
}

fn row(kill: &Kill) -> String {
    let effect: String = kill.effect.chars().take(70).collect();
    let seconds = kill.recovery.as_secs_f64();
    let amiss = match (&*kill.extra, &*kill.missing, kill.lost_rows) {
        ([], [], 0) => String::new(),
        (extra, missing, lost) => format!(" left over: {extra:?}, missing: {missing:?}, log rows lost: {lost}"),
    };
    format!(
        "{:8} {:4}  {seconds:5.1} s  {}{amiss}  before {effect}",
        kill.kind,
        kill.number,
        u8::from(!kill.is_clean())
    )
}

/// Kills at the boundaries `first`, `first + stride` and so on of each kind, in several lanes at once.
async fn kill_everywhere(first: usize, stride: usize, lanes: usize) -> Vec<Kill> {
    let host = PodHost::in_lane().await;
    let boundaries = || Boundaries { next: AtomicUsize::new(first), all_done: AtomicBool::new(false) };
    let kinds = Arc::new([boundaries(), boundaries(), boundaries(), boundaries(), boundaries()]);
    let (kills, mut at_work) = (Arc::default(), JoinSet::new());
    for _ in 0..lanes {
        let (lane, kinds, kills) = (Lane::new(&host).await, Arc::clone(&kinds), Arc::clone(&kills));
        // A thread each: a lane that waits for a command keeps no other one waiting.
        at_work.spawn_blocking(move || Handle::current().block_on(work(lane, kinds, stride, kills)));
    }
    let lanes = at_work.join_all().await;
    host.assert_as_before();
    drop(lanes);
    let mut kills = std::mem::take(&mut *kills.lock().unwrap());
    kills.sort_by_key(|kill| (KINDS.iter().position(|(kind, _)| *kind == kill.kind), kill.number));
    kills
}

/// The table, and the quantiles under it.
fn report(kills: &[Kill]) {
    eprintln!("\nkind   boundary  running again  duplicates and leftovers  boundary");
    for kill in kills {
        eprintln!("{}", row(kill));
    }
    let mut recoveries: Vec<f64> = kills.iter().map(|kill| kill.recovery.as_secs_f64()).collect();
    recoveries.sort_by(f64::total_cmp);
    let quantile = |per_cent: usize| recoveries[(recoveries.len() * per_cent).div_ceil(100) - 1];
    eprintln!(
        "\n{} kills, {} with something amiss; running again after {:.1} s (median), {:.1} s (99th percentile), {:.1} s (all)",
        kills.len(),
        kills.iter().filter(|kill| !kill.is_clean()).count(),
        quantile(50),
        quantile(99),
        quantile(100)
    );
}

fn assert_clean(kills: &[Kill]) {
    let amiss: Vec<String> = kills.iter().filter(|kill| !kill.is_clean()).map(row).collect();
    assert!(amiss.is_empty(), "{amiss:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_of_all_boundaries() {
    let kills = kill_everywhere(7, 40, 4).await;
    report(&kills);
    assert!(kills.len() > 8, "{} kills", kills.len());
    assert_clean(&kills);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes the better part of an hour; make chaos runs it"]
async fn every_boundary() {
    let kills = kill_everywhere(1, 1, 8).await;
    report(&kills);
    assert!(kills.len() >= 300, "{} kills", kills.len());
    assert_clean(&kills);
}
