//! Pods from templates.

use std::process::{Command, Stdio};

use pinacle_worker::spec::Dependencies;
use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, sh},
    web::Socket,
};

/// What a careless shell would change.
const HOSTILE: &str = "two  spaces, it's \"$HOME\" and `id`\nand a second line";

#[tokio::test]
async fn two_pods_from_templates_live_side_by_side() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let vite = json!({ "template": "vite", "tier": "dev.large", "environment": { "VALUE": HOSTILE } });
    let python = json!({
        "template": "python",
        "environment": { "VALUE": HOSTILE },
        "processes": [{
            "name": "site",
            "startCommand": "exec uv run python -c 'import http.server, os\nopen(\"value\", \"w\").write(os.environ[\"VALUE\"])\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=3000)'",
            "healthCheck": "curl -fsS http://127.0.0.1:3000/value",
        }],
    });
    let pods = [db.pod("one", &vite).await, db.pod("two", &python).await];
    let jobs = [db.job(&pods[0], "create").await, db.job(&pods[1], "create").await];
    for job in &jobs {
        let end = db.end_of(job).await;
        assert_eq!(end.status, "succeeded", "{}", end.last_error);
    }
    let mut ports = Vec::new();
    for pod in &pods {
        ports.push(db.text(&format!("SELECT proxy_port FROM pods WHERE id = '{pod}'")).await);
    }

    // Vite's own page, and its WebSocket for hot replacement.
    let (page, code) = fetch(&ports[0], "pod-one.localhost", "/");
    assert!(code == "200" && page.contains("/@vite/client"), "{code} {page}");
    let (client, _) = fetch(&ports[0], "pod-one.localhost", "/@vite/client");
    let token = client.split("wsToken = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("Vite's token");
    let mut socket = Socket::open(&ports[0], "pod-one.localhost", &format!("/?token={token}"), "vite-hmr").await;
    socket.read_until("connected").await;

    assert_eq!(fetch(&ports[1], "pod-two.localhost", "/value"), (HOSTILE.to_owned(), "200".to_owned()));
    for ((pod, port), slug) in pods.iter().zip(&ports).zip(["one", "two"]) {
        assert_eq!(fetch(port, &format!("localhost-8726.pod-{slug}.localhost"), "/healthz").1, "200");
        assert_eq!(fetch(port, &format!("localhost-7681.pod-{slug}.localhost"), "/").1, "200");
        let value = sh(&format!("docker exec pinacle-pod-{pod} bash -ic 'printf %s \"$VALUE\"' 2>/dev/null"));
        assert_eq!(value, HOSTILE, "in a terminal");
    }
    for pod in &pods {
        db.done(pod, "destroy").await;
    }
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
        "the lockfile does not do: npm install",
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
