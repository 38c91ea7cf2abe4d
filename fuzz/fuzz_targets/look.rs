//! The listing from inside a pod, and the listing of a pod on its host. Each input is read as both.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pinacle_fuzz::count_lines;
use pinacle_worker::{fuzz::found, guest::Inside};

/// `MAX_LISTED` and `MAX_NAME` in src/guest/inside.rs.
const MAX_LISTED: usize = 500;
const MAX_NAME: usize = 64;

fuzz_target!(|input: &[u8]| {
    let listed = String::from_utf8_lossy(input);
    let inside = Inside::parse(&listed);
    for names in [&inside.services, &inside.processes, &inside.marks] {
        assert!(names.len() <= MAX_LISTED);
        for name in names {
            assert!((1..=MAX_NAME).contains(&name.len()), "{name:?}");
            // A name cannot leave its folder, means nothing to a shell, and is one line.
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(name.chars().all(is_allowed), "{name:?}");
            assert!(listed.contains(&**name));
        }
    }

    let found = found(&listed);
    let things = found.containers.len() + found.networks.len() + found.volumes.len();
    assert!(things <= count_lines(&listed), "more things than lines");
    assert!(!found.volume_is_new, "nothing was made");
    for container in &found.containers {
        assert!(!container.id.contains(' ') && !container.started_at.contains(' '));
        assert!(container.address() != Some("") && container.gateway() != Some(""));
        assert!(!container.is_in(&found.networks) || container.names_network());
        if let Some((cores, mb)) = container.limits.cores_and_mb() {
            assert!(cores > 0.0 && cores.is_finite() && mb > 0);
        }
        assert!(!container.limits.to_string().is_empty());
    }
});
