//! What a pod installs by itself, from the registries: services that the base image lacks, and what a project asks for.

use std::process::{Command, Stdio};

use pinacle_worker::podspec::Dependencies;
use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, inside, sh},
    web::Socket,
};

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn databases_notebooks_and_an_agent_are_brought_and_answer() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let services = json!({ "services": ["postgres", "redis", "jupyter", "claude-code"], "tier": "dev.large" });
    let pod = db.pod("stocked", &services).await;
    db.done(&pod, "create").await;

    let query = "PGPASSWORD=postgres psql -XAtq -h 127.0.0.1 -U postgres -c \"select 6 * 7\"";
    assert_eq!(inside(&pod, query), "42");
    assert_eq!(inside(&pod, "redis-cli set answer 42 && redis-cli get answer"), "OK\n42");
    let port = db.proxy_port(&pod).await;
    let (page, code) = fetch(&port, "localhost-8888.pod-stocked.localhost", "/lab");
    assert!(code == "200" && page.contains("JupyterLab"), "{code} {page}");
    let mut socket = Socket::open(&port, "localhost-2528.pod-stocked.localhost", "/ws", "tty").await;
    socket.send(r#"{"AuthToken":"","columns":120,"rows":40}"#).await;
    // Without a key, too: its user logs in here.
    socket.read_until("Claude").await;

    // What is stored outlives a stop, and nothing is installed again.
    inside(&pod, "psql -XAtq -h /run/postgresql -U postgres -c 'create table kept as select 42 as answer'");
    db.done(&pod, "restart").await;
    assert_eq!(
        inside(&pod, "psql -XAtq -h /run/postgresql -U postgres -c 'select answer from kept'; redis-cli get answer"),
        "42\n42"
    );
    let installs = "SELECT count(*) FROM pod_logs WHERE label = '📥 Installing a service'";
    assert_eq!(db.text(installs).await, "4");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// A project's folder, what installs it, how it is made, what the install says, and what it must bring.
const PROJECTS: [(&str, Dependencies, &str, &str, &str); 8] = [
    (
        "npm",
        Dependencies::Node,
        "npm init -y >/dev/null; npm pkg set dependencies.is-number=7.0.0; npm install --package-lock-only",
        "package-lock.json: npm ci",
        "node_modules/is-number/package.json",
    ),
    (
        "stale",
        Dependencies::Node,
        "npm init -y; npm install --package-lock-only; npm pkg set dependencies.is-number=7.0.0",
        "the lockfile cannot be used: npm install",
        "node_modules/is-number/package.json",
    ),
    (
        "yarn1",
        Dependencies::Node,
        "echo \"{\\\"dependencies\\\":{\\\"is-number\\\":\\\"7.0.0\\\"}}\" >package.json; echo \"# yarn lockfile v1\" >yarn.lock",
        "yarn.lock: yarn install",
        "node_modules/is-number/package.json",
    ),
    (
        "yarn4",
        Dependencies::Node,
        "echo \"{\\\"packageManager\\\":\\\"yarn@4.9.2\\\",\\\"dependencies\\\":{\\\"is-number\\\":\\\"7.0.0\\\"}}\" >package.json; >yarn.lock",
        "packageManager in package.json: yarn install",
        "node_modules/is-number/package.json",
    ),
    (
        "bun",
        Dependencies::Node,
        "echo \"{\\\"packageManager\\\":\\\"bun\\\",\\\"dependencies\\\":{\\\"is-number\\\":\\\"7.0.0\\\"}}\" >package.json",
        "packageManager in package.json: bun install",
        "node_modules/is-number/package.json",
    ),
    (
        "black",
        Dependencies::Python,
        "printf \"[tool.black]\\nline-length = 100\\n\" >pyproject.toml; echo iniconfig >requirements.txt",
        "requirements.txt: uv pip install --requirements requirements.txt",
        ".venv/lib/python3*/site-packages/iniconfig/__init__.py",
    ),
    (
        "poetry",
        Dependencies::Python,
        "printf \"[tool.poetry]\\nname = \\\"x\\\"\\nversion = \\\"1\\\"\\ndescription = \\\"\\\"\\nauthors = []\\n[tool.poetry.dependencies]\\npython = \\\">=3.9\\\"\\n\" >pyproject.toml",
        "pyproject.toml has [tool.poetry]: poetry install",
        ".venv/pyvenv.cfg",
    ),
    (
        "both",
        Dependencies::Python,
        "echo iniconfig >requirements.txt; echo \"{\\\"dependencies\\\":{\\\"is-number\\\":\\\"7.0.0\\\"}}\" >package.json",
        "package.json without a lockfile: pnpm install",
        "node_modules/is-number/package.json",
    ),
];

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn each_project_is_installed_with_its_own_tool() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("tools", &json!({ "template": "nodejs", "tier": "dev.large", "services": [] })).await;
    db.done(&pod, "create").await;
    let log = "SELECT stdout FROM pod_logs WHERE container_command = 'pinacle: install what package.json asks for'";
    assert!(db.text(log).await.starts_with("nothing to install: there is neither a package.json"));

    let run = |(folder, kind, make, ..): &(&str, Dependencies, &str, &str, &str)| {
        let script = format!("(mkdir {folder} && cd {folder} && ({make}) >/dev/null && eval \"$1\" && eval \"$1\")");
        let command =
            ["exec", &format!("pinacle-pod-{pod}"), "sh", "-c", &script, "sh", &kind.command()].map(str::to_owned);
        let child = Command::new("docker").args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        move || {
            let output = child.wait_with_output().unwrap();
            (
                output.status.success(),
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
            )
        }
    };
    let (later, at_once): (Vec<_>, Vec<_>) = PROJECTS.iter().partition(|project| project.0 == "yarn4");
    let running: Vec<_> = at_once.iter().map(|project| (*project, run(project))).collect();
    let mut ended: Vec<_> = running.into_iter().map(|(project, end)| (project, end())).collect();
    ended.extend(later.iter().map(|project| (*project, run(project)())));
    for ((folder, _, _, says, brings), (succeeded, said)) in ended {
        assert!(succeeded && said.contains(says), "{folder}: {said}");
        sh(&format!("docker exec pinacle-pod-{pod} sh -c 'test -s /workspace/{folder}/{brings}'"));
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
