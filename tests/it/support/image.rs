//! Images for the tests' pods, which have in them what would take long to bring into each.

use std::sync::{Mutex, PoisonError};

use super::host::sh;

/// Builds an image of `fixtures/images`, if Docker doesn't have it, and returns its name. One after the other: each wants the
/// whole machine.
pub fn image(kind: &str) -> String {
    static ONE: Mutex<()> = Mutex::new(());
    // Whoever has failed in here says so itself.
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let image = format!("pinacledev/test-{kind}");
    let folder = format!("{}/tests/it/fixtures/images/{kind}", env!("CARGO_MANIFEST_DIR"));
    sh(&format!("DOCKER_BUILDKIT=0 docker build --network host --tag {image} {folder} >&2"));
    image
}
