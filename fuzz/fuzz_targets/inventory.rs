//! The listing of a host, and its comparison with a database that has five pods.

#![no_main]

use std::{collections::HashSet, time::Duration};

use libfuzzer_sys::fuzz_target;
use pinacle_fuzz::count_lines;
use pinacle_worker::{
    fuzz::{Action, Sides, compare, inventory, is_pod_id},
    model::PodStatus,
    store::reconcile::{MAX_LEAD, PodRecord},
};

const SERVER: &str = "server_1";
const OURS: &str = "ours";
/// A sentence goes into a log line and a report, so it is far shorter than a listing may be. In bytes.
const MAX_SENTENCE: usize = 2 * 1024;

fn pod(id: &str, status: PodStatus, server: &str, busy: bool) -> PodRecord {
    PodRecord {
        id: id.to_owned(),
        slug: id.to_owned(),
        status,
        server_id: Some(server.to_owned()),
        proxy_port: Some(30_000),
        container_started_at: Some("then".to_owned()),
        up: true,
        cpu_cores: Some(0.5),
        memory_mb: Some(1024),
        lease: 3,
        busy,
    }
}

fuzz_target!(|input: &[u8]| {
    let listing = String::from_utf8_lossy(input);
    let found = match inventory(&listing) {
        Ok(found) => found,
        Err(error) => return assert!(error.to_string().len() <= MAX_SENTENCE, "{} bytes", error.to_string().len()),
    };
    let things = found.containers.len() + found.networks.len() + found.volumes.len() + found.fences.len();
    assert_eq!(found.pod_ids().len(), things);
    // Two more lines are part of every whole listing.
    assert!(things + found.listening.len() + 2 <= count_lines(&listing), "more things than lines");

    let pods = [
        pod("pod_run", PodStatus::Running, SERVER, false),
        pod("pod_rest", PodStatus::Stopped, SERVER, false),
        pod("pod_busy", PodStatus::Terminated, SERVER, true),
        pod("pod_gone", PodStatus::Terminated, SERVER, false),
        pod("pod_away", PodStatus::Running, "server_2", false),
    ];
    let grace = Duration::from_secs(60);
    let (before, after) = (&pods, &pods);
    let differences =
        compare(&Sides { server_id: SERVER, installation: OURS, before, inventory: &found, after, grace });

    let labelled = || {
        let containers = found.containers.iter().map(|container| &container.labelled);
        containers.chain(&found.networks).chain(&found.volumes)
    };
    let foreign = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty() && name != OURS);
    let theirs: HashSet<(&str, &str)> =
        labelled().filter(|thing| foreign(&thing.installation)).map(|thing| (&*thing.key, &*thing.pod_id)).collect();
    let ours: HashSet<(&str, &str)> =
        labelled().filter(|thing| !foreign(&thing.installation)).map(|thing| (&*thing.key, &*thing.pod_id)).collect();
    for orphan in &differences.orphans {
        assert!(is_pod_id(&orphan.pod_id), "{orphan:?} has an invalid pod id");
        let is_kept = ["pod_run", "pod_rest", "pod_busy"].contains(&&*orphan.pod_id);
        assert!(!is_kept, "{orphan:?} belongs to a pod and would be removed");
        let at = (&*orphan.key, &*orphan.pod_id);
        assert!(!theirs.contains(&at) || ours.contains(&at), "{orphan:?} is another installation's");
    }
    assert!(differences.orphans.len() + differences.unknown.len() <= things);
    for drift in &differences.drifts {
        assert!(["pod_run", "pod_rest"].contains(&&*drift.pod.id), "{drift:?}");
        match drift.action {
            Action::RaiseLease(lease) => {
                assert!(lease > drift.pod.lease && lease <= drift.pod.lease + MAX_LEAD)
            }
            Action::Reserve(cores, mb) => assert!(cores > 0.0 && cores.is_finite() && mb > 0, "{drift:?}"),
            Action::Ask(_) | Action::Fail(_) | Action::Nothing => {}
        }
    }
    let about_leases = found.fences.len();
    assert!(differences.drifts.len() <= 2 + about_leases, "a pod has drifted twice");
});
