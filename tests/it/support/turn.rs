//! Who may use the pod host when. A test that breaks it, counts all of it or leaves there what has no owner has it
//! alone; the others use it side by side, each in a lane: addresses of its own, so that their databases need to know
//! nothing of each other's ports and networks.

use std::{
    cell::Cell,
    fs::{File, TryLockError},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use super::timing;

/// So many tests use the host at a time. On two cores more of them would only wait for each other.
const TESTS: RangeInclusive<u8> = 1..=4;
/// Those that a test has beside its own, where it has several databases.
const MORE: RangeInclusive<u8> = 5..=39;
/// Between two looks for a lane that is free.
const LOOK: Duration = Duration::from_millis(50);

thread_local! {
    /// The lane of the test whose thread this is.
    static LANE: Cell<Option<u8>> = const { Cell::new(None) };
}

/// Addresses that no other lane has, of any process: its file is locked.
pub struct Lane {
    number: u8,
    _lock: File,
}

impl Lane {
    /// Waits for one beside the test's own.
    pub async fn another() -> Self {
        wait_for(|| Self::free(MORE)).await
    }

    fn free(numbers: RangeInclusive<u8>) -> Self {
        loop {
            for number in numbers.clone() {
                let lock = File::create(std::env::temp_dir().join(format!("pinacle-test-lane-{number}.lock"))).unwrap();
                match lock.try_lock() {
                    Ok(()) => return Self { number, _lock: lock },
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => panic!("{error}"),
                }
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Where its pods publish their ports: every address of 127.0.0.0/8 is this machine's.
    pub fn address(&self) -> String {
        address_of(self.number)
    }

    /// What its pods have their networks from.
    pub fn subnets(&self) -> String {
        subnets_of(self.number)
    }
}

/// A test's turn at the host. The files are locked, so that tests of other processes take turns, too.
pub struct Turn {
    _host: File,
    lane: Option<Lane>,
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
        let turn = wait_for(|| {
            let lane = Lane::free(TESTS);
            let host = host();
            host.lock_shared().unwrap();
            Self { _host: host, lane: Some(lane) }
        })
        .await;
        LANE.set(turn.lane.as_ref().map(|lane| lane.number));
        turn
    }

    pub fn is_alone(&self) -> bool {
        self.lane.is_none()
    }
}

/// Where this test's pods publish their ports.
pub fn address() -> String {
    LANE.get().map_or_else(|| "127.0.0.1".to_owned(), address_of)
}

/// What this test's pods have their networks from, where it is not the default.
pub fn subnets() -> Option<String> {
    LANE.get().map(subnets_of)
}

fn address_of(lane: u8) -> String {
    format!("127.0.1.{lane}")
}

fn subnets_of(lane: u8) -> String {
    format!("10.{}.0.0/14", 20 + 4 * lane)
}

fn host() -> File {
    File::create(std::env::temp_dir().join("pinacle-test-host.lock")).unwrap()
}

/// Not in the test's own thread, in which its futures run; and not as a part of its own time.
async fn wait_for<T: Send + 'static>(turn: impl FnOnce() -> T + Send + 'static) -> T {
    timing::begin();
    let began = Instant::now();
    let turn = tokio::task::spawn_blocking(turn).await.unwrap();
    timing::waited(began.elapsed());
    turn
}
