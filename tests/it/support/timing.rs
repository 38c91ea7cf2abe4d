//! How long each test takes, so that `make test` can name the slowest: libtest's own report is unstable.

use std::{
    cell::RefCell,
    fs::OpenOptions,
    io::Write,
    time::{Duration, Instant},
};

/// A file, to which each test adds a line: its seconds, those that it waited for the host, and its name.
const VARIABLE: &str = "PINACLE_TEST_DURATIONS";

/// A test, from the first that it does with this module's neighbours to the end of its thread.
struct Test {
    name: String,
    began: Instant,
    waited: Duration,
}

thread_local! {
    /// libtest gives each test a thread of its own, by the test's name.
    static TEST: RefCell<Test> = RefCell::new(Test {
        name: std::thread::current().name().unwrap_or_default().to_owned(),
        began: Instant::now(),
        waited: Duration::ZERO,
    });
}

/// The test has begun, if it had not before.
pub fn begin() {
    TEST.with(|_| ());
}

/// What other tests have made this one wait is not its own time.
pub fn waited(time: Duration) {
    TEST.with_borrow_mut(|test| test.waited += time);
}

impl Drop for Test {
    fn drop(&mut self) {
        let Ok(path) = std::env::var(VARIABLE) else { return };
        // A test's other threads have no name, or one that is no path.
        if !self.name.contains("::") {
            return;
        }
        let own = self.began.elapsed().saturating_sub(self.waited);
        let line = format!("{:7.1} {:7.1}  {}\n", own.as_secs_f64(), self.waited.as_secs_f64(), self.name);
        // A list that is not whole fails no test.
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
            drop(file.write_all(line.as_bytes()));
        }
    }
}
