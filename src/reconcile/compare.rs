//! Finds where database and host differ, and decides what to do about it. Nothing here reads or changes either.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::inventory::{Container, FenceFile, Inventory, Labelled};
use crate::{
    docker::{
        Limits,
        names::{is_foreign, is_pod_id, object_name},
    },
    model::{JobKind, Orphan, OrphanKind, PodStatus},
    store::reconcile::{MAX_LEAD, PodRecord},
};

/// What brings a pod back to what the database says of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Ask(JobKind),
    /// A person has to decide; the sentence becomes the pod's `last_error`.
    Fail(String),
    /// The host has seen a newer lease than the database has given.
    RaiseLease(i64),
    /// Reserves what the container was given, in CPUs and MiB.
    Reserve(f32, i32),
    Nothing,
}

/// A pod that is not as the database says.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    pub pod: PodRecord,
    pub what: String,
    pub action: Action,
}

/// Whether a pod's container runs, where the database says otherwise. That alone is not a fault.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub pod_id: String,
    pub lease: i64,
    pub up: bool,
}

#[derive(Debug, Default)]
pub struct Differences {
    pub seen: Vec<Seen>,
    pub drifts: Vec<Drift>,
    pub orphans: Vec<Orphan>,
    /// Things whose pod label holds what cannot be a pod's id.
    pub unknown: Vec<String>,
}

/// What is compared. The pods are read before and after the host is listed, so that one that changes meanwhile is left
/// to the next comparison.
pub struct Sides<'a> {
    pub server_id: &'a str,
    pub installation: &'a str,
    pub before: &'a [PodRecord],
    pub inventory: &'a Inventory,
    pub after: &'a [PodRecord],
    /// How long a fence file without a pod must be idle before it counts as an orphan.
    pub grace: Duration,
}

pub fn compare(sides: &Sides<'_>) -> Differences {
    let mut differences = Differences::default();
    let known: HashMap<&str, &PodRecord> = sides.after.iter().map(|pod| (pod.id.as_str(), pod)).collect();
    let here =
        |pod: &PodRecord| pod.status != PodStatus::Terminated && pod.server_id.as_deref() == Some(sides.server_id);
    let settled = |pod: &&PodRecord| here(pod) && !pod.busy && sides.before.contains(pod);
    for pod in sides.after.iter().filter(settled) {
        differences.seen.extend(seen(pod, sides.inventory));
        differences.drifts.extend(drift(pod, sides.inventory));
    }
    // A lease only grows, so one that is behind the host's was put back, also where a job of the pod runs.
    for fence in &sides.inventory.fences {
        if let Some(pod) = known.get(fence.key.as_str()).filter(|pod| here(pod) && pod.lease < fence.lease) {
            let what = format!("the host has seen lease {}, and the database is at {}", fence.lease, pod.lease);
            let is_believed = fence.lease.saturating_sub(pod.lease) <= MAX_LEAD;
            let action = if is_believed { Action::RaiseLease(fence.lease) } else { Action::Nothing };
            let advice = "; no worker gave that: see who wrote the pod's fence file there, and remove it";
            let what = if is_believed { what } else { what + advice };
            differences.drifts.push(Drift { pod: (*pod).clone(), what, action });
        }
    }

    let why = |pod_id: &str| match known.get(pod_id) {
        None => Some(format!("the database knows no pod {pod_id}")),
        Some(pod) if pod.busy || here(pod) => None,
        Some(pod) if pod.status == PodStatus::Terminated => Some(format!("pod {pod_id} is destroyed")),
        Some(_) => Some(format!("pod {pod_id} is not on this server")),
    };
    let mut foreign = HashSet::new();
    for (kind, thing, runs) in things(sides.inventory) {
        if is_foreign(thing.installation.as_deref(), sides.installation) {
            foreign.insert(thing.pod_id.as_str());
        } else if !is_pod_id(&thing.pod_id) {
            differences.unknown.push(format!("{} {} ({:?})", kind.as_str(), thing.name, thing.pod_id));
        } else if let Some(why) = why(&thing.pod_id) {
            let Labelled { key, name, pod_id, .. } = thing.clone();
            differences.orphans.push(Orphan { kind, key, name, pod_id, runs, why });
        }
    }
    // A file that was used a moment ago may still fence an execution.
    let idle =
        |fence: &&FenceFile| fence.idle_seconds >= sides.grace.as_secs() && !foreign.contains(fence.key.as_str());
    for fence in sides.inventory.fences.iter().filter(idle) {
        if let Some(why) = why(&fence.key).filter(|_| is_pod_id(&fence.key)) {
            let (key, name, pod_id) = (fence.key.clone(), fence.key.clone(), fence.key.clone());
            differences.orphans.push(Orphan { kind: OrphanKind::Fence, key, name, pod_id, runs: false, why });
        }
    }
    differences
}

/// Everything that carries our label, and whether it runs.
fn things(inventory: &Inventory) -> impl Iterator<Item = (OrphanKind, &Labelled, bool)> {
    let containers = inventory.containers.iter();
    let containers = containers.map(|found| (OrphanKind::Container, &found.labelled, is_up(found)));
    let networks = inventory.networks.iter().map(|network| (OrphanKind::Network, network, false));
    containers.chain(networks).chain(inventory.volumes.iter().map(|volume| (OrphanKind::Volume, volume, false)))
}

/// True in each state in which a container holds its memory.
fn is_up(container: &Container) -> bool {
    matches!(&*container.state, "running" | "restarting" | "paused")
}

/// Whether a thing is the pod's, by label and by name.
fn is_its(pod: &PodRecord, thing: &Labelled) -> bool {
    thing.name == object_name(&pod.id) && thing.pod_id == pod.id
}

fn container_of<'a>(pod: &PodRecord, inventory: &'a Inventory) -> Option<&'a Container> {
    inventory.containers.iter().find(|container| is_its(pod, &container.labelled))
}

fn seen(pod: &PodRecord, inventory: &Inventory) -> Option<Seen> {
    let up = container_of(pod, inventory).is_some_and(is_up);
    (up != pod.up).then(|| Seen { pod_id: pod.id.clone(), lease: pod.lease, up })
}

/// The most serious difference between a pod and what the database says of it, if there is any.
fn drift(pod: &PodRecord, inventory: &Inventory) -> Option<Drift> {
    let container = container_of(pod, inventory);
    let has_network = inventory.networks.iter().any(|network| is_its(pod, network));
    let has_volume = inventory.volumes.iter().any(|volume| is_its(pod, volume));
    let (what, action) = match pod.status {
        PodStatus::Pending | PodStatus::Failed | PodStatus::Terminated => return None,
        PodStatus::Terminating => ("its destroy was not finished".to_owned(), Action::Ask(JobKind::Destroy)),
        PodStatus::Provisioning | PodStatus::Starting | PodStatus::Stopping => {
            let what = format!("it is {} and no job of it is under way", pod.status);
            let advice = "its last job was given up on the way. Requeue the pod, or destroy it";
            (what, Action::Fail(advice.to_owned()))
        }
        PodStatus::Running | PodStatus::Stopped if !has_volume => {
            let what = "its volume is gone from its server, and with it what was in /workspace".to_owned();
            let reason = format!("{what}. Requeue the pod to make it anew, or destroy it");
            (what, Action::Fail(reason))
        }
        PodStatus::Running => run(pod, container, has_network)?,
        PodStatus::Stopped => rest(pod, container, has_network, &inventory.listening)?,
    };
    Some(Drift { pod: pod.clone(), what, action })
}

/// A pod that should run.
fn run(pod: &PodRecord, container: Option<&Container>, has_network: bool) -> Option<(String, Action)> {
    let start = |what: String| Some((what, Action::Ask(JobKind::Start)));
    match container {
        None => start("its container is missing".to_owned()),
        Some(_) if !has_network => start("its network is missing".to_owned()),
        Some(found) if found.state == "paused" => Some(("its container is paused".to_owned(), Action::Nothing)),
        Some(found) if !found.is_running() => {
            start(format!("its container is {} (exit code {})", found.state, found.exit_code))
        }
        Some(found) if pod.container_started_at.as_ref().is_some_and(|at| *at != found.started_at) => {
            start("its container was started anew, and its processes were not".to_owned())
        }
        Some(found) => wrong_port(pod, found).or_else(|| wrong_size(pod, found)),
    }
}

/// While a container runs, it counts by what it was given, even where something else is reserved for it.
fn wrong_size(pod: &PodRecord, container: &Container) -> Option<(String, Action)> {
    let (reserved, given) = (Limits::from_reserved(pod.cpu_cores?, pod.memory_mb?), container.limits());
    let what = (reserved != given).then(|| format!("its container has {given}, and {reserved} are reserved for it"))?;
    match given.cores_and_mb() {
        Some((cpu_cores, memory_mb)) => Some((what, Action::Reserve(cpu_cores, memory_mb))),
        None => Some((what + "; a restart gives it what its tier has", Action::Nothing)),
    }
}

/// A pod that should not run.
fn rest(
    pod: &PodRecord,
    container: Option<&Container>,
    has_network: bool,
    listening: &[i32],
) -> Option<(String, Action)> {
    match container {
        Some(found) if found.is_running() => Some(("its container runs".to_owned(), Action::Ask(JobKind::Stop))),
        Some(_) if pod.proxy_port.is_some_and(|port| listening.contains(&port)) => {
            Some(("another program listens on its port, so its start will fail".to_owned(), Action::Nothing))
        }
        Some(found) if has_network => wrong_port(pod, found),
        Some(_) => Some(("its network is missing; its next start makes it anew".to_owned(), Action::Nothing)),
        None => Some(("its container is missing; its next start makes it anew".to_owned(), Action::Nothing)),
    }
}

fn wrong_port(pod: &PodRecord, container: &Container) -> Option<(String, Action)> {
    let port = pod.proxy_port.filter(|port| !container.publishes(*port))?;
    let what = format!(
        "its container does not publish port {port}, which its URL names. Destroy the pod, or remove the container, \
         whose files outside its volumes are lost then, and start the pod"
    );
    Some((what, Action::Nothing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::inventory::tests::parse;

    const SERVER: &str = "server_1";

    fn pod(status: PodStatus) -> PodRecord {
        PodRecord {
            id: "pod_a".to_owned(),
            slug: "a".to_owned(),
            status,
            server_id: Some(SERVER.to_owned()),
            proxy_port: Some(30_000),
            container_started_at: Some("then".to_owned()),
            up: status == PodStatus::Running,
            cpu_cores: Some(0.5),
            memory_mb: Some(1024),
            lease: 3,
            busy: false,
        }
    }

    fn container(state: &str, started_at: &str) -> String {
        format!(
            r#"{{"container":{{"key":"c1","name":"pinacle-pod-pod_a","state":"{state}","exit_code":137,
            "started_at":"{started_at}","nano_cpus":500000000,"memory":1073741824,"bindings":{{"80/tcp":[{{"HostIp":"","HostPort":"30000"}}]}},"pod":"pod_a",
            "installation":"ours"}}}}"#
        )
        .replace('\n', "")
    }

    fn thing(kind: &str, pod: &str, installation: &str) -> String {
        format!(
            r#"{{"{kind}":{{"key":"{kind}_{pod}","name":"pinacle-pod-{pod}","pod":"{pod}","installation":"{installation}"}}}}"#
        )
    }

    fn differences(before: &[PodRecord], lines: &[String], after: &[PodRecord]) -> Differences {
        let inventory = parse(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let grace = Duration::from_mins(1);
        compare(&Sides { server_id: SERVER, installation: "ours", before, inventory: &inventory, after, grace })
    }

    fn action(status: PodStatus, lines: &[String]) -> Option<Action> {
        let pods = [pod(status)];
        differences(&pods, lines, &pods).drifts.into_iter().next().map(|drift| drift.action)
    }

    #[test]
    fn a_pod_that_is_as_the_database_says_is_left_alone() {
        let (network, volume) = (thing("network", "pod_a", "ours"), thing("volume", "pod_a", "ours"));
        let whole = [container("running", "then"), network.clone(), volume.clone()];
        assert_eq!(action(PodStatus::Running, &whole), None);
        assert_eq!(action(PodStatus::Stopped, &[container("exited", "then"), network, volume]), None);
        assert_eq!(action(PodStatus::Pending, &[]), None);
        assert_eq!(action(PodStatus::Failed, &[]), None);
    }

    #[test]
    fn whether_a_container_runs_is_seen_whatever_the_pods_state() {
        let up = |status, state: &str| {
            let pods = [pod(status)];
            let seen = differences(&pods, &[container(state, "then")], &pods).seen;
            seen.first().map(|seen| seen.up)
        };
        assert_eq!(up(PodStatus::Failed, "running"), Some(true));
        assert_eq!(up(PodStatus::Failed, "exited"), None);
        assert_eq!(up(PodStatus::Running, "running"), None);
        assert_eq!(up(PodStatus::Running, "exited"), Some(false));
    }

    #[test]
    fn a_job_brings_back_what_can_be_brought_back() {
        let rest = [thing("network", "pod_a", "ours"), thing("volume", "pod_a", "ours")];
        let with = |first: String| [&[first][..], &rest].concat();
        let start = Some(Action::Ask(JobKind::Start));
        assert_eq!(action(PodStatus::Running, &rest), start);
        assert_eq!(action(PodStatus::Running, &with(container("exited", "then"))), start);
        assert_eq!(action(PodStatus::Running, &with(container("running", "later"))), start);
        assert_eq!(action(PodStatus::Running, &[container("running", "then"), rest[1].clone()]), start);
        assert_eq!(action(PodStatus::Stopped, &with(container("running", "then"))), Some(Action::Ask(JobKind::Stop)));
        assert_eq!(action(PodStatus::Terminating, &[]), Some(Action::Ask(JobKind::Destroy)));
    }

    #[test]
    fn what_runs_takes_what_it_was_given() {
        let rest = [thing("network", "pod_a", "ours"), thing("volume", "pod_a", "ours")];
        let with =
            |given: &str, state: &str| [&[container(state, "then").replace("1073741824", given)][..], &rest].concat();
        let reserve = Some(Action::Reserve(0.5, 4096));
        assert_eq!(action(PodStatus::Running, &with("4294967296", "running")), reserve);
        assert_eq!(action(PodStatus::Running, &with("0", "running")), Some(Action::Nothing));
        assert_eq!(action(PodStatus::Running, &with("9223372036854775807", "running")), Some(Action::Nothing));
        assert_eq!(action(PodStatus::Stopped, &with("4294967296", "exited")), None, "its next start sets it right");
    }

    #[test]
    fn lost_data_and_a_lost_job_are_for_a_person() {
        // The volume of the home does not replace that of the projects.
        let home = thing("volume", "pod_a", "ours").replace("pinacle-pod-", "pinacle-home-");
        for status in [PodStatus::Running, PodStatus::Stopped] {
            let lines = [container("running", "then"), home.clone()];
            let Some(Action::Fail(reason)) = action(status, &lines) else { panic!() };
            assert!(reason.contains("/workspace") && reason.contains("Requeue"), "{reason}");
        }
        for status in [PodStatus::Provisioning, PodStatus::Starting, PodStatus::Stopping] {
            assert!(matches!(action(status, &[]), Some(Action::Fail(_))), "{status}");
        }
    }

    #[test]
    fn a_pod_that_changes_while_the_host_is_looked_at_is_left_to_the_next_look() {
        let (seen, busy) = (pod(PodStatus::Running), PodRecord { busy: true, ..pod(PodStatus::Running) });
        let moved = PodRecord { lease: 4, ..seen.clone() };
        for (before, after) in [(&seen, &busy), (&busy, &seen), (&seen, &moved)] {
            let found = differences(std::slice::from_ref(before), &[], std::slice::from_ref(after));
            assert!(found.drifts.is_empty(), "{found:?}");
        }
        assert!(differences(&[], &[], &[seen]).drifts.is_empty(), "a pod that has just come");
    }

    #[test]
    fn what_no_pod_accounts_for_is_an_orphan_unless_it_is_somebody_elses() {
        let lines = |installation: &str| {
            let things = ["network", "volume"].map(|kind| thing(kind, "pod_a", installation));
            let fence = r#"{"fence":{"key":"pod_a","lease":2,"idle_seconds":60}}"#.to_owned();
            [&things[..], &[fence]].concat()
        };
        let orphans = |after: &[PodRecord], lines: &[String]| differences(&[], lines, after).orphans.len();
        assert_eq!(orphans(&[], &lines("ours")), 3);
        assert_eq!(orphans(&[], &lines("")), 3, "made by hand, or by a version before there were installations");
        assert_eq!(orphans(&[], &lines("theirs")), 0);
        assert_eq!(orphans(&[pod(PodStatus::Failed)], &lines("ours")), 0);
        let gone = pod(PodStatus::Terminated);
        assert_eq!(orphans(std::slice::from_ref(&gone), &lines("ours")), 3);
        assert_eq!(orphans(&[PodRecord { busy: true, ..gone }], &lines("ours")), 0);
        let elsewhere = PodRecord { server_id: Some("server_2".to_owned()), ..pod(PodStatus::Running) };
        assert_eq!(orphans(&[elsewhere], &lines("ours")), 3);
        assert_eq!(orphans(&[], &[r#"{"fence":{"key":"pod_a","lease":2,"idle_seconds":59}}"#.to_owned()]), 0);
        let found = differences(&[], &[thing("volume", "../etc", "")], &[]);
        assert_eq!((found.orphans.len(), found.unknown.len()), (0, 1));
    }

    #[test]
    fn a_lease_that_was_put_back_is_raised_also_while_a_job_fails_for_it() {
        let fence = r#"{"fence":{"key":"pod_a","lease":9,"idle_seconds":1}}"#.to_owned();
        let pods = [PodRecord { busy: true, ..pod(PodStatus::Running) }];
        let found = differences(&pods, &[fence], &pods);
        assert_eq!(found.drifts.len(), 1);
        assert_eq!(found.drifts[0].action, Action::RaiseLease(9));
    }

    #[test]
    fn a_lease_that_no_worker_gave_is_left_to_a_person() {
        for lease in [i64::MAX, i64::MAX - 1, MAX_LEAD + 4] {
            let fence = format!(r#"{{"fence":{{"key":"pod_a","lease":{lease},"idle_seconds":1}}}}"#);
            let pods = [PodRecord { busy: true, ..pod(PodStatus::Running) }];
            let found = differences(&pods, &[fence], &pods);
            assert_eq!(found.drifts[0].action, Action::Nothing);
            assert!(found.drifts[0].what.contains("no worker gave that"), "{}", found.drifts[0].what);
        }
    }
}
