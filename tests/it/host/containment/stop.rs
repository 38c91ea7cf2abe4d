//! A pod that does not want to stop: whatever runs in it, and whatever it answers.

use serde_json::json;

use crate::support::{PodHost, TestDb, Worker, host::sh};

/// What an attacker who is root in the pod puts in the place of all that the worker runs there. It learns the nonce, for its
/// order comes first.
const ANSWERS: [(&str, &str); 5] = [
    ("fenced", r#"printf "\036%s fenced 0\n" "$nonce"; printf "\036%s fenced 0\n" "$nonce" >&2"#),
    ("busy", r#"printf "\036%s busy 0\n" "$nonce"; printf "\036%s busy 0\n" "$nonce" >&2"#),
    ("ended", r#"printf "\036%s ended 143\n" "$nonce"; printf "\036%s ended 143\n" "$nonce" >&2"#),
    ("noise", "yes | head -c 3000000"),
    ("silence", r#"trap "" TERM INT HUP; while :; do /bin/sleep 100; done"#),
];

fn in_pod(pod: &str, script: &str) {
    sh(&format!("docker exec -i pinacle-pod-{pod} /bin/dash <<'END'\n{script}\nEND"));
}

/// Takes the place of the guard, and of the shells that a script is run by.
fn capture(pod: &str, answer: &str) {
    in_pod(
        pod,
        &format!(
            "cat >/tmp/captor <<'CAPTOR'\n#!/bin/dash\nread -r nonce _\n{answer}\nCAPTOR\n\
             chmod 755 /tmp/captor\n\
             for program in /usr/lib/pinacle/guard /usr/local/bin/sh /usr/local/bin/bash /usr/local/sbin/sh; do\n\
             rm -f $program; cp /tmp/captor $program; done"
        ),
    );
}

/// The promise: 30 s, and what Docker gives a container to end.
const STOPS_WITHIN: &str = "45 seconds";

async fn stops(db: &TestDb, pod: &str, what: &str) {
    let job = db.job(pod, "stop").await;
    let end = db.end_of(&job).await;
    assert_eq!((end.status.as_str(), end.attempt), ("succeeded", 1), "{what}: {}", end.last_error);
    assert_eq!(sh(&format!("docker inspect --format '{{{{.State.Running}}}}' pinacle-pod-{pod}")), "false", "{what}");
    let took = format!("SELECT finished_at - started_at < interval '{STOPS_WITHIN}' FROM pod_jobs WHERE id = '{job}'");
    assert_eq!(db.text(&took).await, "true", "{what}");
}

#[tokio::test]
async fn a_pod_whose_programs_are_the_attackers_stops_all_the_same() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let mut attacks = tokio::task::JoinSet::new();
    let db = std::sync::Arc::new(db);
    for (name, answer) in ANSWERS {
        let db = std::sync::Arc::clone(&db);
        attacks.spawn(async move {
            let pod = db.pod(name, &json!({ "services": ["redis"] })).await;
            db.done(&pod, "create").await;
            capture(&pod, answer);
            stops(&db, &pod, name).await;
            db.done(&pod, "destroy").await;
        });
    }
    attacks.join_all().await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_pod_with_folders_for_thousands_of_services_stops_all_the_same() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("folders", &json!({ "services": ["redis"] })).await;
    db.done(&pod, "create").await;
    in_pod(
        &pod,
        r#"mkdir -p /etc/pinacle/processes
           seq -f "/etc/s6/service-it's \"%g\"" 4200 | xargs -d '\n' mkdir
           seq -f "/etc/s6/service-s%g" 4200 | xargs -d '\n' mkdir
           seq -f '/etc/pinacle/processes/$(%g)' 4200 | xargs -d '\n' touch"#,
    );
    stops(&db, &pod, "folders").await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
