//! What the tests stand on: a database of its own for each, the pod host, and workers as real processes.

pub mod database;
pub mod host;
pub mod image;
pub mod nobodys_key;
pub mod postgres;
pub mod random;
pub mod timing;
pub mod turn;
pub mod web;
pub mod worker;

pub use database::TestDb;
pub use host::PodHost;
pub use postgres::Postgres;
pub use worker::Worker;

use std::{
    fs::{read_dir, read_link},
    net::TcpListener,
    path::PathBuf,
    time::Duration,
};

/// Ends a hang; no test is judged by it.
pub const HANG: Duration = Duration::from_mins(15);

/// A setting of the development stack.
pub fn env(name: &str) -> String {
    timing::begin();
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests by `make test`"))
}

/// A TCP port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// Whether a process holds a socket, by its inode as the kernel's lists have it.
pub fn is_held(inode: &str) -> bool {
    let (socket, entries) =
        (format!("socket:[{inode}]"), |path: PathBuf| read_dir(path).into_iter().flatten().flatten());
    let files = entries("/proc".into()).flat_map(|process| entries(process.path().join("fd")));
    files.filter_map(|file| read_link(file.path()).ok()).any(|open| open.as_os_str() == socket.as_str())
}

/// Waits until `look` gives something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(HANG, wait).await.unwrap_or_else(|_| panic!("{what} did not come about"))
}
