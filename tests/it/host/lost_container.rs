//! What a pod keeps when its container is lost, as by `docker container prune` on its host while it is stopped.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker, env,
    host::{fetch, inside, inspect, inventory, sh},
    image::image,
};

/// The job that made the pod's container anew says what was lost with it: this one, or the one that the death of a running
/// container has asked for.
async fn assert_lost(db: &TestDb, pod: &str, files: &str) {
    let told = format!("SELECT last_error FROM pod_jobs WHERE pod_id = '{pod}' AND last_error IS NOT NULL");
    let told = db.texts(&format!("{told} ORDER BY position DESC LIMIT 1")).await.concat();
    assert!(told.contains("the pod's container was gone") && told.contains(files), "{told}");
}

const SQL: &str = "psql -XAtq -h /run/postgresql -U postgres";

/// A program of the user's own, as an npm package; an install command that brings it where it lacks.
const INSTALL: &str = r#"
command -v greet && exit
echo brought >>~/brought
cd "$(mktemp -d)"
echo '{ "name": "greet", "version": "1.0.0", "bin": { "greet": "greet.js" } }' >package.json
printf '#!/usr/bin/env node\nconsole.log("hello")\n' >greet.js
npm install --global "$(npm pack --silent)"
"#;

fn stored() -> String {
    let user = "cat ~/brought ~/.config/of-mine\ngreet\ncowsay -t moo | grep -o moo";
    format!("{SQL} -c 'select answer from kept'\nredis-cli get answer\n{user}")
}

const STORED: &str = "42\n42\nbrought\nmine\nhello\nmoo";

#[tokio::test]
async fn data_home_and_installed_programs_outlive_the_container() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let config = json!({
        "baseImage": image("databases"),
        "tier": "dev.medium",
        "services": ["postgres", "redis"],
        "install": INSTALL,
    });
    let pod = db.pod("lost", &config).await;
    db.done(&pod, "create").await;
    inside(&pod, &format!("{SQL} -c 'create table kept as select 42 as answer'\nredis-cli set answer 42"));
    // A home as some programs leave it, which lets nobody by.
    inside(
        &pod,
        "mkdir -p ~/.config; echo mine >~/.config/of-mine; chmod 700 ~ ~/.local; uv tool install --quiet cowsay",
    );
    assert_eq!(inside(&pod, &stored()), STORED);

    // Where packages are installed in another order, the databases' users have other numbers.
    db.done(&pod, "stop").await;
    sh(&format!(
        "docker container rm pinacle-pod-{pod}
         cd $(docker volume inspect --format '{{{{.Mountpoint}}}}' pinacle-home-{pod})/.local/share && chown -R 4321 postgres redis"
    ));
    db.done(&pod, "start").await;
    assert_lost(&db, &pod, "outside /workspace and /root").await;
    assert_eq!(inside(&pod, &stored()), STORED);

    // A pod whose data is where an older service had it goes on with it there.
    let moved = "s6-svc -wD -d /etc/s6/service-postgres; s6-svc -wD -d /etc/s6/service-redis
        mv ~/.local/share/postgres /var/lib/postgresql/data; rm -r /var/lib/redis; mv ~/.local/share/redis /var/lib/redis";
    inside(&pod, moved);
    db.done(&pod, "restart").await;
    assert_eq!(inside(&pod, &stored()), STORED);
    assert_eq!(inside(&pod, "ls ~/.local/share | grep -E 'postgres|redis' || true"), "");

    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// Makes the pod's container anew as an older worker would have: with one volume, and its home in the container.
fn make_as_before(pod: &str) {
    let found = inspect(pod);
    let (mut body, mut options) = (found["Config"].clone(), found["HostConfig"].clone());
    options["Mounts"].as_array_mut().unwrap().retain(|mount| mount["Target"] == "/workspace");
    body["HostConfig"] = options;
    sh(&format!("docker container rm pinacle-pod-{pod} && docker volume rm pinacle-home-{pod}"));
    let socket = env("DOCKER_HOST");
    let socket = socket.strip_prefix("unix://").unwrap();
    sh(&format!(
        "curl -sSf -o /dev/null --unix-socket {socket} --json @- 'http://docker/containers/create?name=pinacle-pod-{pod}' \
         <<'END'\n{body}\nEND"
    ));
}

#[tokio::test]
async fn a_pod_of_before_lives_on_with_its_home_in_the_container() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let web = json!({
        "name": "web",
        "startCommand": "echo hello >index.html; exec busybox httpd -f -p 3000",
        "healthCheck": "curl -fsS http://localhost:3000/",
    });
    let pod = db.pod("of-before", &json!({ "processes": [web] })).await;
    db.done(&pod, "create").await;
    db.done(&pod, "stop").await;
    make_as_before(&pod);
    for kind in ["start", "restart"] {
        db.done(&pod, kind).await;
        inside(&pod, "echo kept >>~/file");
    }
    assert_eq!(inside(&pod, "cat ~/file"), "kept\nkept");
    let port = db.proxy_port(&pod).await;
    assert_eq!(fetch(&port, "pod-of-before.localhost", "/").0, "hello\n");
    let volumes = || inventory().into_iter().filter(|line| line.starts_with("volume") && line.contains(&pod)).count();
    assert_eq!(volumes(), 1);
    assert_eq!(inspect(&pod)["Mounts"].as_array().map(Vec::len), Some(1));

    // What it has in the container goes with that; from then on it has a home, as a new one.
    sh(&format!("docker rm -f pinacle-pod-{pod}"));
    db.done(&pod, "start").await;
    assert_lost(&db, &pod, "outside /workspace, ").await;
    assert_eq!(inside(&pod, "ls ~/file || cat /workspace/index.html"), "hello");
    assert_eq!(volumes(), 2);

    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
