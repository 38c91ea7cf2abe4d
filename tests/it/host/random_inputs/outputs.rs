//! Random output of commands, through the recorder into real rows: each command has one row that says how it ended, and
//! what can be stored exactly is.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use pinacle_worker::{
    model::{Fence, LeaseClock},
    remote::{Command, Host},
    store::steps::Progress,
    transcript::{LogBudget, Recorder, capture::LIMIT, redact::Redactor},
};
use proptest::{prelude::*, sample::select};
use serde_json::json;
use sqlx::Row;
use tokio_util::sync::CancellationToken;

use crate::{
    db::random_inputs::specs::draw,
    host::exec::local,
    support::{TestDb, host::sh},
};

/// Pods that print at once.
const PODS: usize = 4;
/// Commands between two sentinels.
const BATCH: usize = 25;
const HUGE: usize = 50 * 1024 * 1024;
/// One in so many is that large.
const HUGE_EVERY: usize = 500;
/// The longest line about a cut.
const CUT_LINE: usize = 48;

/// A pattern, how often it is printed, and to which stream.
#[derive(Debug, Clone)]
struct Printed {
    pattern: Vec<u8>,
    times: usize,
    to_stderr: bool,
}

impl Printed {
    fn bytes(&self) -> Vec<u8> {
        self.pattern.repeat(self.times)
    }

    /// What is to be stored, where it is not too much.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).replace('\0', "\u{2400}")
    }
}

fn printed() -> impl Strategy<Value = Printed> {
    let pieces = |pieces: Vec<&'static [u8]>| {
        let pieces = prop::collection::vec(select(pieces), 0..200);
        pieces.prop_map(|pieces| (pieces.concat(), 1))
    };
    let marks = vec![
        &b"\x1e"[..],
        b"\x1epinacle-guard 17\n",
        b"\x1e0123456789abcdef0123456789abcdef exited 1\n",
        b"\x1e0123456789abcdef0123456789abcdef fenced 0\n",
        b"\x1e \n",
        b"\n",
        b"text",
    ];
    let escapes = vec![
        &b"\x1b[2K\r"[..],
        b"\x1b[31m",
        b"\x1b]0;title\x07",
        b"\x1b[?1049h",
        b"\x1b[999;999H",
        b"\r",
        b"\x08",
        b"\x9b1m",
        b"50 %",
        b"\xe2\x82",
        b"\xac",
        b"\0",
    ];
    let long = (select(vec!["x", "€", "\u{1f4e6}", "\0", "ab\r"]), 1..700_000_usize);
    let what = prop_oneof![
        6 => any::<Vec<u8>>().prop_map(|bytes| (bytes, 1)),
        6 => any::<String>().prop_map(|text| (text.into_bytes(), 1)),
        2 => prop::collection::vec(any::<u8>(), 1000..3000).prop_map(|bytes| (bytes, 1)),
        4 => pieces(escapes),
        4 => pieces(marks),
        2 => Just((Vec::new(), 1)),
        1 => long.prop_map(|(unit, times)| (unit.as_bytes().to_vec(), times)),
    ];
    (what, any::<bool>()).prop_map(|((pattern, times), to_stderr)| Printed { pattern, times, to_stderr })
}

struct Printer {
    recorder: Recorder,
    pod: String,
}

impl Printer {
    async fn new(db: &TestDb, host: &Arc<Host>, number: usize) -> Self {
        let pod = db.pod(&format!("printer-{number}"), &json!({})).await;
        db.execute(&format!("UPDATE pods SET id = 'host-test-' || id, lease = 1 WHERE id = '{pod}'")).await;
        let pod = format!("host-test-{pod}");
        let fence = Fence { pod_id: pod.clone(), job_id: "job".to_owned(), lease: 1 };
        let recorder = Recorder {
            budget: Arc::new(LogBudget::new(u32::MAX)),
            db: db.pool.clone(),
            host: Arc::clone(host),
            fence,
            lease: LeaseClock::new(Instant::now() + Duration::from_hours(10)),
            redactor: Redactor::new([]),
            progress: Arc::new(Progress::new(1)),
            cancel: CancellationToken::new(),
        };
        Self { recorder, pod }
    }

    async fn sentinel(&self, text: &str) {
        let finished = self.recorder.run(&Command::new("printf").arg(text)).await.unwrap();
        assert_eq!(finished.stdout, text);
    }

    /// Prints a batch between two sentinels, then compares the rows and takes them away.
    async fn print(&self, db: &TestDb, folder: &Path, batch: &[Printed]) {
        let file = folder.join(&self.pod);
        self.sentinel("before").await;
        for printed in batch {
            let bytes = printed.bytes();
            fs::write(&file, &bytes).unwrap();
            // Half of the time by two programs, so that it comes in other pieces.
            let mut script = format!("tail -c +1 {0} | head -c {1}", file.display(), bytes.len());
            if printed.to_stderr {
                write!(script, " | cat >&2").unwrap();
            }
            self.recorder.run(&Command::new("sh").arg("-c").arg(script)).await.unwrap();
        }
        self.sentinel("after").await;
        let select = "SELECT stdout, stderr, exit_code, duration FROM pod_logs WHERE pod_id = $1 ORDER BY timestamp";
        let rows = sqlx::query(select).bind(&self.pod).fetch_all(&db.pool).await.unwrap();
        assert_eq!(rows.len(), batch.len() + 2);
        for row in &rows {
            assert_eq!(row.get::<Option<i32>, _>("exit_code"), Some(0));
            assert!(row.get::<Option<i32>, _>("duration").is_some_and(|duration| duration >= 0));
        }
        let texts: Vec<[String; 2]> = rows.iter().map(|row| [row.get("stdout"), row.get("stderr")]).collect();
        assert_eq!(texts[0], ["before", ""]);
        assert_eq!(texts[batch.len() + 1], ["after", ""]);
        for (printed, [stdout, stderr]) in batch.iter().zip(&texts[1..]) {
            let (there, empty) = if printed.to_stderr { (stderr, stdout) } else { (stdout, stderr) };
            assert_eq!(empty, "", "{printed:?}");
            assert_stored(printed, there);
        }
        db.execute(&format!("DELETE FROM pod_logs WHERE pod_id = '{}'", self.pod)).await;
    }
}

/// Compared without printing: a page of differences of a megabyte tells nobody anything.
fn assert_stored(printed: &Printed, stored: &str) {
    let text = printed.text();
    let what = format!("{} × {:.200?}", printed.times, printed.pattern);
    if text.len() <= LIMIT {
        assert!(stored == text, "{} bytes of {}: {what}", stored.len(), text.len());
        return;
    }
    assert!(stored.len() <= LIMIT + CUT_LINE, "{} bytes: {what}", stored.len());
    let (head, rest) = stored.split_once("\n[… ").expect("a line about the cut");
    let (cut, tail) = rest.split_once(" bytes cut …]\n").expect("its end");
    assert!(text.starts_with(head) && text.ends_with(tail), "{what}");
    assert_eq!(head.len() + tail.len() + cut.parse::<usize>().unwrap(), text.len(), "{what}");
}

async fn print_at_random(count: usize) {
    let (db, folder, began) = (TestDb::new().await, tempfile::tempdir().unwrap(), Instant::now());
    let mut all = draw(&printed(), u32::try_from(count).unwrap());
    let huge = HUGE_EVERY.min(count / 2);
    for printed in all.iter_mut().skip(huge / 2).step_by(huge).filter(|printed| !printed.pattern.is_empty()) {
        printed.times = HUGE / printed.pattern.len();
    }
    let bytes: usize = all.iter().map(|printed| printed.pattern.len() * printed.times).sum();
    let host = local();
    let mut printers = Vec::new();
    for number in 0..PODS {
        printers.push(Printer::new(&db, &host, number).await);
    }
    let parts = all.chunks(count.div_ceil(PODS)).zip(&printers);
    let work = parts.map(async |(part, printer)| {
        for batch in part.chunks(BATCH) {
            printer.print(&db, folder.path(), batch).await;
        }
    });
    futures::future::join_all(work).await;
    for printer in &printers {
        sh(&format!("rm /var/lib/pinacle-worker/fences/{}", printer.pod));
    }
    eprintln!("{count} outputs, {} MiB, in {:.1?}", bytes / 1024 / 1024, began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_command_prints_its_row_is_whole_and_so_are_those_beside_it() {
    print_at_random(300).await;
}

mod in_full {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "minutes; `make chaos` runs it"]
    async fn ten_thousand_outputs_of_every_shape_are_recorded() {
        super::print_at_random(10_000).await;
    }
}
