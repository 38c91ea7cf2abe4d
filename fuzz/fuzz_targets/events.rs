//! Docker's events, which come in lines. The input is the stream; `|` cuts it into pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pinacle_fuzz::pieces;
use pinacle_worker::fuzz::events;

/// `MAX_LINE` in src/reconcile/watch.rs.
const MAX_LINE: usize = 16 * 1024;

fuzz_target!(|input: &[u8]| {
    let pieces = pieces(input);
    let whole = pieces.concat();
    let found = events(pieces.iter().copied());
    assert_eq!(found, events([&*whole]), "the result depends on where the stream was cut");
    assert!(found.len() <= whole.iter().filter(|&&byte| byte == b'\n').count(), "more events than lines");
    for (pod, installation, exit_code) in found {
        let bytes = pod.len() + installation.map_or(0, |name| name.len()) + exit_code.len();
        assert!(bytes <= MAX_LINE, "an event of {bytes} bytes");
    }
});
