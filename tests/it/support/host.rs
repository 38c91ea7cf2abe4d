//! The pod host: Docker with gVisor on this machine, reached over SSH on loopback.

use std::{collections::HashSet, process::Command, sync::Mutex, time::Duration};

use pinacle_worker::docker::names::{bridge_name, home_name, object_name};
use sqlx::{Connection, PgConnection};

use super::{TestDb, env, turn, turn::Turn};

/// A second apart.
const LOOKS_AFTER_A_FAILURE: usize = 10;

/// A test's turn at the pod host.
pub struct PodHost {
    turn: Turn,
    before: Vec<String>,
    /// What the test's own things carry as their label `pinacle.installation`, and the database that knows their pods.
    installations: Mutex<Vec<(String, String)>>,
}

/// Runs a command on this machine, which must succeed, and returns its output.
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a script in a pod, which must succeed, and returns its output.
pub fn inside(pod: &str, script: &str) -> String {
    sh(&format!("docker exec -i pinacle-pod-{pod} bash -e <<'END'\n{script}\nEND"))
}

/// A command that runs beside this machine: what pods may reach there is not the host.
pub fn neighbour(program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &env("PINACLE_DEV_NEIGHBOUR"), program]);
    command
}

/// Where it is found, from this machine and from pods.
pub fn neighbour_address() -> String {
    env("PINACLE_DEV_NEIGHBOUR_ADDRESS")
}

impl PodHost {
    /// Waits until no other test uses the host, and takes stock of it.
    pub async fn turn() -> Self {
        let turn = Turn::alone().await;
        Self { turn, before: inventory(), installations: Mutex::default() }
    }

    /// Waits for a lane, beside other tests. What this one makes must carry its installation's label.
    pub async fn in_lane() -> Self {
        Self { turn: Turn::in_lane().await, before: Vec::new(), installations: Mutex::default() }
    }

    /// Puts the host into the database as a server reached over SSH, roomy enough for every test.
    pub async fn add_to(&self, db: &TestDb) -> String {
        let server: String = sqlx::query_scalar(
            "INSERT INTO servers (name, ssh_host, ssh_port, ssh_user, ssh_host_key, cpu_cores, memory_mb, disk_gb)
             VALUES ('host', $1, $2, $3, $4, 64, 65536, 1000) RETURNING id",
        )
        .bind(env("PINACLE_DEV_SSH_HOST"))
        .bind(env("PINACLE_DEV_SSH_PORT").parse::<i32>().unwrap())
        .bind(env("PINACLE_DEV_SSH_USER"))
        .bind(env("PINACLE_DEV_SSH_HOST_KEY"))
        .fetch_one(&db.pool)
        .await
        .unwrap();
        self.is_of(db).await;
        server
    }

    /// The machine itself, without SSH.
    pub async fn add_local_to(&self, db: &TestDb) -> String {
        let server = db.local_server().await;
        self.is_of(db).await;
        server
    }

    /// The servers of this database are this host: their pods publish at the lane's address, and are known as the
    /// test's own.
    pub async fn is_of(&self, db: &TestDb) {
        db.execute(&format!("UPDATE servers SET bind_address = '{}'", turn::address())).await;
        let installation = db.text("SELECT id FROM pinacle_installation").await;
        self.installations.lock().unwrap().push((installation, db.url()));
    }

    /// The host is as it was when the turn began: all of it, or what is this test's own where others use it, too.
    pub fn assert_as_before(&self) {
        assert_eq!(self.inventory(), self.before, "something was left on the host, or something is missing");
    }

    fn inventory(&self) -> Vec<String> {
        if self.turn.is_alone() { inventory() } else { self.own_inventory() }
    }

    /// By the installation's label, and by the ids of its pods: bridges and fence files carry no label.
    fn own_inventory(&self) -> Vec<String> {
        let installations = self.installations.lock().unwrap().clone();
        assert!(!installations.is_empty(), "nothing is known to be this test's own");
        let mut own: HashSet<String> = HashSet::new();
        for (installation, url) in &installations {
            own.extend(labelled(&format!("pinacle.installation={installation}")));
            let names: HashSet<String> = pods(url)
                .iter()
                .flat_map(|pod| [object_name(pod), home_name(pod), bridge_name(pod), pod.clone()])
                .collect();
            let mine = |line: &String| line.split(' ').nth(1).is_some_and(|name| names.contains(name));
            own.extend(inventory().into_iter().filter(mine));
        }
        let mut own: Vec<String> = own.into_iter().collect();
        own.sort();
        own
    }

    fn clear_away(&self) {
        // Docker may be what the test failed by, and the test's database is gone before its turn is.
        let look = || {
            if self.turn.is_alone() {
                return inventory();
            }
            let installations = self.installations.lock().unwrap();
            installations.iter().flat_map(|(id, _)| labelled(&format!("pinacle.installation={id}"))).collect()
        };
        let Ok(inventory) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)) else { return };
        for left in inventory.into_iter().filter(|left| !self.before.contains(left)) {
            let mut words = left.split(' ');
            let (Some(kind), Some(name)) = (words.next(), words.next()) else { continue };
            let removed = match kind {
                "container" => format!("docker rm -f {name}"),
                "fence" => format!("rm -f /var/lib/pinacle-worker/fences/{name}"),
                "network" | "volume" => format!("docker {kind} rm {name}"),
                _ => continue,
            };
            drop(Command::new("sh").args(["-c", &removed]).output());
        }
    }
}

impl Drop for PodHost {
    /// What a failed test has left would fail the next one, too. Its workers are dead, but what they ordered last may
    /// still be under way, so one look is not enough.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for _ in 0..LOOKS_AFTER_A_FAILURE {
                self.clear_away();
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

/// The ids of all pods that a database knows. A runtime of its own asks, because the test's is busy with the test.
fn pods(url: &str) -> Vec<String> {
    let url = url.to_owned();
    let asked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut db = PgConnection::connect(&url).await.unwrap();
            sqlx::query_scalar("SELECT id FROM pods").fetch_all(&mut db).await.unwrap()
        })
    });
    asked.join().unwrap()
}

/// Containers, networks and volumes with a label.
fn labelled(label: &str) -> Vec<String> {
    let all = sh(&format!(
        "docker ps -a --filter label={label} --format 'container {{{{.Names}}}} {{{{.State}}}}'
         docker network ls --filter label={label} --format 'network {{{{.Name}}}}'
         docker volume ls --filter label={label} --format 'volume {{{{.Name}}}}'"
    ));
    all.lines().map(str::to_owned).collect()
}

/// Everything of ours that a pod host can hold: containers, networks, volumes, bridges, fence files. The tests of the
/// connection alone need no turn; their fences are called host-test-….
pub fn inventory() -> Vec<String> {
    let unlabelled = sh("ls /var/lib/pinacle-worker/fences 2>/dev/null | sed '/^host-test-/d; s/^/fence /'
        ip -o link show type bridge | sed -nE 's/^[0-9]+: (br-p[0-9a-f]{11}):.*/bridge \\1/p'");
    let mut all = labelled("pinacle.pod");
    all.extend(unlabelled.lines().map(str::to_owned));
    all.sort();
    all
}

/// `docker inspect` of a pod's container.
pub fn inspect(pod: &str) -> serde_json::Value {
    let inspected = sh(&format!("docker container inspect pinacle-pod-{pod}"));
    serde_json::from_str::<Vec<serde_json::Value>>(&inspected).unwrap().remove(0)
}

/// A page through the pod's port, and its status code.
pub fn fetch(port: &str, host: &str, path: &str) -> (String, String) {
    let address = turn::address();
    let page = sh(&format!("curl -sS -m 20 -w '\\n%{{http_code}}' -H 'Host: {host}' http://{address}:{port}{path}"));
    let (page, code) = page.rsplit_once('\n').unwrap_or(("", &page));
    (page.to_owned(), code.to_owned())
}

/// A header of an answer's head.
pub fn header(headers: &str, name: &str) -> Option<String> {
    let mut lines = headers.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}
