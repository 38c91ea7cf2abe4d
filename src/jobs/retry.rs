//! When a job that failed for now is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// The pause before the second attempt; it doubles with each further one, so that the five attempts of a job outlast a
/// host, or a daemon on it, that is away for half a minute.
const FIRST_DELAY: Duration = Duration::from_secs(3);
const MAX_DELAY: Duration = Duration::from_mins(1);

/// The pause after attempt `attempt`, which counts from 1: exponential, with jitter so that the jobs of a host that was
/// down do not all come back at once.
pub fn delay_after(attempt: i32) -> Duration {
    let nth = usize::try_from(attempt - 1).unwrap_or_default();
    let delays = ExponentialBuilder::default()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(MAX_DELAY)
        .without_max_times()
        .with_jitter();
    delays.build().nth(nth).unwrap_or(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_up_to_a_bound_and_is_never_the_same() {
        assert!(delay_after(1) >= FIRST_DELAY && delay_after(1) <= FIRST_DELAY * 2);
        assert!(delay_after(3) >= FIRST_DELAY * 4);
        let all: Duration = (1..5).map(delay_after).sum();
        assert!(all > Duration::from_secs(40), "five attempts outlast half a minute: {all:?}");
        assert!((0..50).all(|attempt| delay_after(attempt * 10) <= MAX_DELAY * 2));
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| delay_after(2)).collect();
        assert!(pauses.len() > 1);
    }
}
