//! The user's repository in the pod: how it gets there, and what it says of itself.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    PodHost, TestDb, Worker, free_port,
    host::{inside, neighbour, neighbour_address, sh},
};

/// A git server beside the pod host, with one repository: public by git's own protocol, and over SSH for who has the key.
struct GitServer {
    folder: TempDir,
    servers: Vec<Child>,
    git_port: u16,
    ssh_port: u16,
}

impl GitServer {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (git_port, ssh_port) = (free_port(), free_port());
        let base = folder.path().display().to_string();
        sh(&format!(
            "cd {base} && chmod 755 . && git init -q -b main work && cd work && git config user.email a@b &&
             git config user.name a && echo main >file && git add . && git commit -qm one &&
             git checkout -qb side && echo side >file && git commit -qam two && git checkout -q main &&
             git clone -q --bare . ../repo.git && mkdir -p -m 755 /run/sshd && cd .. &&
             ssh-keygen -q -t ed25519 -N '' -f host_key && ssh-keygen -q -t ed25519 -N '' -f deploy_key &&
             ssh-keygen -q -t ed25519 -N '' -f wrong_key && chmod 644 deploy_key.pub"
        ));
        // Whoever has the key may fetch this one repository, and nothing else.
        std::fs::write(
            folder.path().join("keys"),
            format!(
                "restrict,command=\"git-upload-pack {base}/repo.git\" {}",
                std::fs::read_to_string(folder.path().join("deploy_key.pub")).unwrap()
            ),
        )
        .unwrap();
        std::fs::write(
            folder.path().join("config"),
            format!(
                "Port {ssh_port}\nListenAddress 0.0.0.0\nHostKey {base}/host_key\nPidFile none\nStrictModes no\nUsePAM no\n\
                 AuthorizedKeysFile {base}/keys\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PermitRootLogin forced-commands-only\nSetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n"
            ),
        )
        .unwrap();
        let daemon = neighbour("git")
            .args([
                "daemon",
                "--export-all",
                "--reuseaddr",
                &format!("--port={git_port}"),
                &format!("--base-path={base}"),
            ])
            .spawn();
        let sshd = neighbour("/usr/sbin/sshd")
            .args(["-D", "-f", &format!("{base}/config"), "-E", &format!("{base}/log")])
            .stdin(Stdio::null())
            .spawn();
        let server = Self { folder, servers: vec![daemon.unwrap(), sshd.unwrap()], git_port, ssh_port };
        let there = format!("git://{}:{git_port}/repo.git", neighbour_address());
        sh(&format!(
            "for i in $(seq 100); do git ls-remote {there} >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"
        ));
        sh(&format!(
            "for i in $(seq 100); do ssh-keyscan -p {ssh_port} {} 2>/dev/null | grep -q . && exit 0; sleep 0.1; done; exit 1",
            neighbour_address()
        ));
        server
    }

    fn public(&self) -> String {
        format!("git://{}:{}/repo.git", neighbour_address(), self.git_port)
    }

    fn private(&self) -> String {
        format!("ssh://root@{}:{}/repo.git", neighbour_address(), self.ssh_port)
    }

    fn key(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Makes the repository a part of itself, as it is now, under a private address.
    fn commit_submodule(&self) {
        let module = format!("[submodule \"part\"]\n\tpath = part\n\turl = {}\n", self.private());
        let base = self.folder.path();
        std::fs::write(base.join("work/.gitmodules"), module).unwrap();
        let link = "mkdir part && git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),part";
        sh(&format!(
            "cd {}/work && {link} && git add .gitmodules && git commit -qm part && git push -q ../repo.git main",
            base.display()
        ));
    }

    /// Commits a file to the default branch.
    fn commit(&self, file: &str, text: &str) {
        let base = self.folder.path();
        std::fs::write(base.join("work").join(file), text).unwrap();
        sh(&format!("cd {}/work && git add . && git commit -qm more && git push -q ../repo.git main", base.display()));
    }
}

impl Drop for GitServer {
    /// git starts the daemon as a child, which a signal to git alone would leave.
    fn drop(&mut self) {
        for server in &mut self.servers {
            drop(Command::new("pkill").args(["-TERM", "-P", &server.id().to_string()]).status());
            drop(server.kill());
            drop(server.wait());
        }
    }
}

async fn keyed_pod(db: &TestDb, slug: &str, config: &Value, key: &str) -> String {
    let pod = db.pod(slug, config).await;
    sqlx::query("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ($1, 'deploy_key', 'key', $2)")
        .bind(&pod)
        .bind(key)
        .execute(&db.pool)
        .await
        .unwrap();
    pod
}

#[tokio::test]
async fn a_repository_is_cloned_and_a_half_made_clone_is_no_obstacle() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let git = GitServer::start();

    let config = json!({ "repository": { "url": git.public(), "branch": "side" }, "install": "pwd && test -s file",
        "environment": { "COLOUR": "blue" } });
    let pod = db.pod("cloned", &config).await;
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "cat /workspace/repo/file"), "side");
    let ran_in = "SELECT trim(E'\n' FROM stdout) FROM pod_logs WHERE container_command LIKE 'pwd%'";
    assert_eq!(db.text(ran_in).await, "/workspace/repo");

    // The clone was cut off: what is there of it is not taken for a clone.
    inside(&pod, "cd /workspace && mv repo/.git repo.partial && rm -r repo");
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "cd /workspace && ls && cat repo/file"), "repo\nside");
    // In its place, and by somebody else: it is put aside, for nobody knows what is in it.
    inside(&pod, "cd /workspace && rm -r repo/.git/HEAD repo/.git/config && echo mine >repo/mine");
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "cd /workspace && cat repo/file repo.aside-*/mine && ls repo"), "side\nmine\nfile");
    // Work in a whole clone is left alone.
    inside(&pod, "echo changed >/workspace/repo/file");
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "cat /workspace/repo/file"), "changed");
    // The .env goes with the last variable.
    assert_eq!(inside(&pod, "tail -n 1 /workspace/repo/.env"), "COLOUR=blue");
    db.execute("UPDATE pods SET config = config - 'environment'").await;
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "ls -A /workspace/repo"), ".git\nfile");
    db.done(&pod, "destroy").await;

    let missing = db.pod("no-branch", &json!({ "repository": { "url": git.public(), "branch": "nope" } })).await;
    let error = db.refused(&missing, "create").await;
    for part in ["git clone --branch nope", "nope not found", "Check the branch"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    db.done(&missing, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_private_repository_opens_to_its_deploy_key_alone() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let git = GitServer::start();
    let config = json!({ "repository": { "url": git.private() } });

    git.commit_submodule();
    // A key as a settings file has it: in one line.
    let pod = keyed_pod(&db, "keyed", &config, &git.key("deploy_key").trim_end().replace('\n', "\\n")).await;
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "cat /workspace/repo/file"), "main");
    // What belongs to the repository is there, by the key as well; and the user's own git has it, too.
    assert_eq!(inside(&pod, "cat /workspace/repo/part/file"), "main");
    inside(&pod, "cd /workspace && git clone -q $(git -C repo remote get-url origin) again && test -s again/file");
    git.commit("file", "newer\n");
    assert_eq!(inside(&pod, "cd /workspace/repo && git pull -q && cat file"), "newer");
    // The first line of a key is the same in all.
    let private = git.key("deploy_key").lines().nth(2).unwrap().to_owned();
    let shown = format!(
        "SELECT count(*) FROM pod_logs WHERE concat(command, container_command, stdout, stderr) LIKE '%{private}%'"
    );
    assert_eq!(db.text(&shown).await, "0");
    // A key that was changed, or taken away, is so in the pod as well.
    let there = "test ! -e /etc/pinacle/deploy_key || sed -n 3p /etc/pinacle/deploy_key";
    let other = git.key("wrong_key");
    sqlx::query("UPDATE pod_secrets SET value = $1").bind(&other).execute(&db.pool).await.unwrap();
    db.done(&pod, "restart").await;
    assert_eq!(inside(&pod, there), other.lines().nth(2).unwrap());
    db.execute("DELETE FROM pod_secrets").await;
    db.done(&pod, "restart").await;
    assert_eq!(inside(&pod, there), "");
    db.done(&pod, "destroy").await;

    // Files in LFS, of a repository in the pod itself, which needs no server.
    let pod = db.pod("large", &json!({ "environment": { "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere" } })).await;
    db.done(&pod, "create").await;
    inside(
        &pod,
        "git init -q -b main /srv/made && cd /srv/made && git config user.email a@b && git config user.name a &&
         git lfs track *.bin && echo large >large.bin && git add . && git commit -qm one &&
         git clone -q --bare . /srv/large.git && git lfs push --all file:///srv/large.git",
    );
    db.execute(&format!("UPDATE pods SET config = config || '{{\"repository\": {{\"url\": \"file:///srv/large.git\"}}}}' WHERE id = '{pod}'")).await;
    db.done(&pod, "create").await;
    assert_eq!(inside(&pod, "cat /workspace/large/large.bin && git -C /workspace/large status --short"), "large");
    db.done(&pod, "destroy").await;

    for (slug, key, says) in [
        ("wrong-key", git.key("wrong_key"), "The server takes another deploy key than the pod's"),
        ("no-key", String::new(), "The server wants a deploy key, and the pod has none"),
        ("public-key", git.key("deploy_key.pub"), "the pod's deploy_key secret is a public key"),
    ] {
        let pod = if key.is_empty() { db.pod(slug, &config).await } else { keyed_pod(&db, slug, &config, &key).await };
        let error = db.refused(&pod, "create").await;
        assert!(error.contains(says), "{slug}: {error}");
        db.done(&pod, "destroy").await;
    }
    host.assert_as_before();
}

#[tokio::test]
async fn a_repositorys_own_file_fills_in_what_the_config_leaves_out() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let git = GitServer::start();
    let file = "version: 1.0\n\
        install: test -f .env && cp .env seen-by-install && echo the token is $API_TOKEN\n\
        environment: { GREETING: from the file, NAME: file, API_TOKEN: hush-hush-hush }\n\
        processes:\n  - name: web\n    startCommand: exec busybox httpd -f -p 3000\n    healthCheck: curl -fsS http://127.0.0.1:3000/file\n";
    git.commit("pinacle.yaml", file);
    let config = json!({ "repository": { "url": git.public() }, "environment": { "NAME": "it's the \"config\"" } });
    let pod = db.pod("yaml", &config).await;
    db.done(&pod, "create").await;

    let env = inside(&pod, "cat /workspace/repo/seen-by-install");
    let ends = "API_TOKEN=hush-hush-hush\nGREETING='from the file'\n# NAME is in the environment alone: readers of this file differ over its value.";
    assert!(env.ends_with(ends), "{env}");
    assert_eq!(
        inside(&pod, "cd /workspace/repo && cat pinacle.yaml && git status --short"),
        format!("{file}?? seen-by-install")
    );
    assert_eq!(inside(&pod, "tmux ls -F \"#S\""), "process-web");
    // What is secret in the file is as secret as in the config.
    let line = "SELECT trim(E'\n' FROM stdout) FROM pod_logs WHERE stdout LIKE 'the token is%'";
    assert_eq!(db.text(line).await, "the token is [redacted]");
    let leaks = "SELECT count(*) FROM pod_logs WHERE concat(command, stdout, stderr) LIKE '%hush-hush-hush%'";
    assert_eq!(db.text(leaks).await, "0");

    // A restart reads it again; an .env of the project's own is not overwritten.
    inside(&pod, "cd /workspace/repo && echo OWN=1 >.env && sed -i s/3000/3001/ pinacle.yaml");
    db.done(&pod, "restart").await;
    assert_eq!(inside(&pod, "curl -fsS http://127.0.0.1:3001/.env"), "OWN=1");
    db.done(&pod, "destroy").await;

    // What is unknown or wrong in it is left out and said to the user; the rest is used.
    git.commit(
        "pinacle.yaml",
        "template: nope\nservices: [nope]\nnonsense: hunter22\ninstall: [echo installed >/root/trace, 5]\n\
         environment: { GOOD: good, A-B: hunter22, B: [12345678] }\n\
         ports: [{ name: web, internal: 99999 }]\n\
         processes:\n  - { name: Bad, startCommand: hunter22 }\n  - { name: good, startCommand: sleep infinity, restart: hunter22 }\n",
    );
    let pod = db.pod("advice", &json!({ "repository": { "url": git.public() } })).await;
    db.done(&pod, "create").await;
    let there = inside(&pod, "cat /root/trace; tail -n 1 /workspace/repo/.env; tmux ls -F \"#S\"");
    assert_eq!(there, "installed\nGOOD=good\nprocess-good");
    let said = format!(
        "SELECT stdout FROM pod_logs WHERE pod_id = '{pod}' AND label = '📄 Reading pinacle.yaml'
         AND container_command IS NOT NULL"
    );
    let said = db.text(&said).await;
    for path in [
        "template",
        "services[0]",
        "nonsense",
        "install[1]",
        "environment.A-B",
        "environment.B",
        "ports[0].internal",
        "processes[0].name",
        "processes[1].restart",
    ] {
        assert!(said.contains(&format!("pinacle.yaml {path}: ")), "{path:?} is not in {said}");
    }
    assert!(!said.contains("hunter22") && !said.contains("12345678"), "{said}");
    // Not even YAML: what the user changes, a restart reads.
    inside(&pod, "echo install: [ >/workspace/repo/pinacle.yaml");
    db.done(&pod, "restart").await;
    let no_yaml = "SELECT count(*) FROM pod_logs WHERE container_command IS NOT NULL AND stdout LIKE '%yaml: it is no YAML: see line%'";
    assert_eq!(db.text(no_yaml).await, "1");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn every_reader_of_the_env_file_reads_the_same() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let git = GitServer::start();
    let environment = json!({
        "PLAIN": "plain-1.2", "EMPTY": "", "SPACES": "  two  words # no comment ", "DOLLAR": "$HOME $(id) $$ $1", "TICK": "`id`",
        "QUOTES": "say \"x\"", "APOSTROPHE": "it's # here", "LINES": "a\nb\n", "FOLDER": "C:\\new\\table", "HASH": "#x",
        "EQUALS": "a=b", "JSON": "{\"a\": \"b\\n\"}", "UNICODE": "é ✓", "BANG": "hi!", "BOTH": "it's\na",
    });
    let mut all = environment.clone();
    let differ = ["it's $5", "\\\\server", "ends in \\", "a\r\nb", "${HOME}", "it's `id`", "it's \"x\""];
    for (number, value) in differ.iter().enumerate() {
        all[format!("DIFFER_{number}")] = json!(value);
    }
    let readers = include_str!("../fixtures/readers.sh");
    let config =
        json!({ "repository": { "url": git.public() }, "environment": all, "install": readers, "tier": "dev.large" });
    let pod = db.pod("read", &config).await;
    db.done(&pod, "create").await;
    for reader in ["sh", "bash", "node", "dotenv", "python-dotenv", "compose"] {
        let read: Value = serde_json::from_str(&inside(&pod, &format!("cat /root/read/{reader}"))).unwrap();
        for (name, value) in environment.as_object().unwrap() {
            assert_eq!(&read[name], value, "{name} as {reader} reads it");
        }
        assert!(read.get("DIFFER_0").is_none(), "{reader}: {read}");
    }
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
