//! What no pod accounts for: left alone at first, removed later, and never where something larger must be wrong.

use super::{findings, reconcile};
use crate::support::{
    PodHost, TestDb,
    host::{inventory, sh},
};

/// What a pod leaves on the host that no database knows.
fn leave_behind(pod: &str, label: &str) {
    sh(&format!(
        "docker network create --subnet 10.99.7.0/28 --label {label} pinacle-pod-{pod} >/dev/null
         docker volume create --label {label} pinacle-pod-{pod} >/dev/null
         docker run -d --runtime runsc --restart unless-stopped --label {label} --network pinacle-pod-{pod} \
             --name pinacle-pod-{pod} -v pinacle-pod-{pod}:/workspace pinacledev/pinacle-base >/dev/null
         {}",
        old_fence(pod)
    ));
}

/// A fence file that was last used long ago.
fn old_fence(pod: &str) -> String {
    let file = format!("/var/lib/pinacle-worker/fences/{pod}");
    format!("mkdir -p /var/lib/pinacle-worker/fences && echo '4 1' >{file} && touch -d '1 hour ago' {file}")
}

fn state(pod: &str) -> String {
    sh(&format!("docker container ls -a --filter name=^pinacle-pod-{pod}$ --format '{{{{.State}}}}'"))
}

/// Makes the grace period of what was seen go by.
async fn age(db: &TestDb) {
    db.execute("UPDATE server_extras SET first_seen_at = first_seen_at - interval '1 hour'").await;
}

#[tokio::test]
async fn a_stray_is_quarantined_and_goes_when_it_is_seen_again() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    leave_behind("pod_ghost", "pinacle.pod=pod_ghost");
    let before = inventory();
    let looked = findings(&db, &["--dry-run"]);
    assert_eq!(looked.len(), 4, "{looked:?}");
    assert_eq!(inventory(), before, "a dry run changes nothing");

    let first = findings(&db, &[]);
    assert!(first[0].contains("the database knows no pod pod_ghost; stopped it"), "{first:?}");
    assert_eq!(state("pod_ghost"), "exited");
    let policy = "docker inspect pinacle-pod-pod_ghost --format '{{.HostConfig.RestartPolicy.Name}}'";
    assert_eq!(sh(policy), "no", "a reboot of the host does not bring it back");
    let second = findings(&db, &[]);
    assert!(second.iter().all(|finding| finding.contains("quarantined")), "{second:?}");
    assert_eq!(state("pod_ghost"), "exited", "within the grace period it stays");

    age(&db).await;
    let third = findings(&db, &[]);
    assert!(third.len() == 3 && third.iter().all(|finding| finding.contains("removed it")), "{third:?}");
    host.assert_as_before();
    assert_eq!(findings(&db, &[]), [""; 0]);
    assert_eq!(db.text("SELECT count(*) FROM server_extras").await, "0");
}

/// What is accounted for again is not removed when it is lost again later.
#[tokio::test]
async fn a_stray_that_a_pod_accounts_for_by_now_begins_anew() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    sh("docker volume create --label pinacle.pod=pod_back pinacle-pod-pod_back");
    findings(&db, &[]);
    age(&db).await;
    db.execute(&format!("INSERT INTO pods (id, name, slug, server_id) VALUES ('pod_back', 'a', 'a', '{server}')"))
        .await;
    db.execute("UPDATE pods SET status = 'failed'").await;
    assert_eq!(findings(&db, &[]), [""; 0]);
    db.execute("DELETE FROM pods").await;
    let looked = findings(&db, &[]);
    assert!(looked.len() == 1 && looked[0].contains("after 600 s"), "{looked:?}");
    sh("docker volume rm pinacle-pod-pod_back");
    host.assert_as_before();
}

#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    sh("docker volume create pinacle-pod-pod_unlabelled
        docker volume create --label pinacle.pod=pod_theirs --label pinacle.installation=theirs pinacle-pod-pod_theirs
        docker volume create --label pinacle.pod='no pod' strange");
    sh(&old_fence("pod_theirs"));
    for _ in 0..3 {
        let looked = findings(&db, &[]);
        assert!(looked.len() == 1 && looked[0].contains("names no pod that could be ours"), "{looked:?}");
        age(&db).await;
    }
    sh("docker volume rm pinacle-pod-pod_unlabelled pinacle-pod-pod_theirs strange
        rm /var/lib/pinacle-worker/fences/pod_theirs");
    host.assert_as_before();
}

#[tokio::test]
async fn many_orphans_at_once_are_left_to_a_person() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    for number in 0..6 {
        sh(&format!("docker volume create --label pinacle.pod=pod_many{number} pinacle-pod-pod_many{number}"));
    }
    for _ in 0..2 {
        let (reports, done) = reconcile(&db, &[]);
        let reason = reports[0]["stopped"].as_str().unwrap_or_default();
        assert!(!done && reason.contains("things of 6 pods") && reason.contains("--max-removals 6"), "{reports:#?}");
        age(&db).await;
    }
    assert_eq!(sh("docker volume ls -q --filter label=pinacle.pod").lines().count(), 6);
    for _ in 0..2 {
        findings(&db, &["--max-removals=6"]);
        age(&db).await;
    }
    host.assert_as_before();
}

/// Docker that is away is not a host with nothing on it.
#[tokio::test]
async fn a_listing_that_is_not_whole_changes_nothing() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    let pod = db.pod("unseen", &serde_json::json!({})).await;
    db.execute(&format!("UPDATE pods SET status = 'running', server_id = '{server}' WHERE id = '{pod}'")).await;
    db.execute("UPDATE servers SET ssh_host_key = NULL").await;
    let (reports, done) = reconcile(&db, &[]);
    assert!(!done && reports[0]["stopped"].as_str().unwrap().contains("no host key is pinned"), "{reports:#?}");
    assert_eq!(db.pod_status(&pod).await, "running");
    assert_eq!(db.text("SELECT count(*) FROM pod_jobs").await, "0");
    host.assert_as_before();
}

/// What a host says of a pod that lives elsewhere moves nothing there; nor does a lease that no worker can have given.
#[tokio::test]
async fn a_host_is_believed_for_its_own_pods_and_within_a_bound() {
    const NEWEST: &str = "9223372036854775806";
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    let server = host.add_to(&db).await;
    db.execute(
        "INSERT INTO servers (id, name, connection, cpu_cores, memory_mb, disk_gb, status)
         VALUES ('elsewhere', 'elsewhere', 'local', 1, 1, 1, 'offline')",
    )
    .await;
    for (pod, server) in [("pod_elsewhere", "elsewhere"), ("pod_here", &*server)] {
        db.execute(&format!(
            "INSERT INTO pods (id, name, slug, server_id) VALUES ('{pod}', 'a', '{}', '{server}')",
            &pod[4..]
        ))
        .await;
        sh(&old_fence(pod));
        sh(&format!("printf '%-40s\\n' '{NEWEST} 1' >/var/lib/pinacle-worker/fences/{pod}"));
        sh(&format!("touch -d '1 hour ago' /var/lib/pinacle-worker/fences/{pod}"));
    }
    db.execute("UPDATE pods SET status = 'failed', lease = 5").await;
    sh("docker volume create --label pinacle.pod=pod_elsewhere pinacle-pod-pod_elsewhere");

    let looked = findings(&db, &[]);
    let of_here = looked.iter().find(|finding| finding.contains(NEWEST)).unwrap();
    assert!(of_here.contains("no worker gave that") && of_here.ends_with("left to a person"), "{looked:?}");
    assert_eq!(looked.iter().filter(|finding| finding.contains("pod_elsewhere is not on this server")).count(), 2);
    age(&db).await;
    let removed = findings(&db, &[]);
    let removed: Vec<_> = removed.iter().filter(|finding| finding.contains("pod_elsewhere")).collect();
    assert!(removed.len() == 2 && removed.iter().all(|finding| finding.ends_with("removed it")), "{removed:?}");
    assert_eq!(db.texts("SELECT DISTINCT lease FROM pods").await, ["5"]);
    sh("rm /var/lib/pinacle-worker/fences/pod_here");
    host.assert_as_before();
}
