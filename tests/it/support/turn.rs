//! Who may use the pod host when. A test that breaks it, counts all of it or leaves there what has no owner has it
//! alone; the others use it side by side, each in a lane: addresses of its own, so that their databases need to know
//! nothing of each other's ports and networks.

use std::{
    cell::Cell,
    fs::{File, TryLockError},
    time::{Duration, Instant},
};

use super::timing;

/// So many tests use the host at a time. On two cores more of them would only wait for each other.
const LANES: u8 = 4;
/// Between two looks for a lane that is free.
const LOOK: Duration = Duration::from_millis(50);

thread_local! {
    /// The lane of the test whose thread this is.
    static LANE: Cell<Option<u8>> = const { Cell::new(None) };
}

/// A test's turn at the host. The files are locked, so that tests of other processes take turns, too.
pub struct Turn {
    _host: File,
    lane: Option<File>,
}

impl Turn {
    /// Waits until no other test uses the host.
    pub async fn alone() -> Self {
        LANE.set(None);
        wait_for(|| {
            let host = host();
            host.lock().unwrap();
            Self { _host: host, lane: None }
        })
        .await
    }

    /// Waits for a lane, and until no test has the host alone.
    pub async fn in_lane() -> Self {
        let (number, turn) = wait_for(|| {
            let (number, lane) = free_lane();
            let host = host();
            host.lock_shared().unwrap();
            (number, Self { _host: host, lane: Some(lane) })
        })
        .await;
        LANE.set(Some(number));
        turn
    }

    pub fn is_alone(&self) -> bool {
        self.lane.is_none()
    }
}

/// Where this test's pods publish their ports: every address of 127.0.0.0/8 is this machine's.
pub fn address() -> String {
    LANE.get().map_or_else(|| "127.0.0.1".to_owned(), |lane| format!("127.0.2.{lane}"))
}

/// What this test's pods have their networks from, where it is not the default.
pub fn subnets() -> Option<String> {
    LANE.get().map(|lane| format!("10.{}.0.0/14", 180 + 4 * lane))
}

fn host() -> File {
    File::create(std::env::temp_dir().join("pinacle-test-host.lock")).unwrap()
}

fn free_lane() -> (u8, File) {
    loop {
        for number in 1..=LANES {
            let lane = File::create(std::env::temp_dir().join(format!("pinacle-test-lane-{number}.lock"))).unwrap();
            match lane.try_lock() {
                Ok(()) => return (number, lane),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{error}"),
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Not in the test's own thread, in which its futures run; and not as a part of its own time.
async fn wait_for<T: Send + 'static>(turn: impl FnOnce() -> T + Send + 'static) -> T {
    timing::begin();
    let began = Instant::now();
    let turn = tokio::task::spawn_blocking(turn).await.unwrap();
    timing::waited(began.elapsed());
    turn
}
