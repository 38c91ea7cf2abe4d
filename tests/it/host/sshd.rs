//! An SSH server of a test's own, and a user who lives as long as the test.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use pinacle_worker::store::servers::Server;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    host::exec::server,
    support::{TestDb, env, eventually, free_port, host::sh, is_held},
};

pub struct Sshd {
    child: Option<Child>,
    /// The network namespace it listens in, if it is not this machine's own.
    namespace: Option<String>,
    address: String,
    port: u16,
    host_key: String,
    folder: TempDir,
}

impl Sshd {
    /// Starts one, with these lines in its settings, that takes the development stack's key. It is left with its
    /// defaults: ten sessions a connection, and a shell that reads its start-up files.
    pub async fn start(settings: &str) -> Self {
        Self::start_at("127.0.0.1", None, settings).await
    }

    /// The same in a network namespace, at one of its addresses.
    pub async fn start_in(namespace: &str, address: &str, settings: &str) -> Self {
        Self::start_at(address, Some(namespace.to_owned()), settings).await
    }

    /// What one needs whose users run Docker's command line.
    pub fn with_docker() -> String {
        std::env::var("DOCKER_HOST").map(|host| format!("SetEnv DOCKER_HOST={host}")).unwrap_or_default()
    }

    async fn start_at(address: &str, namespace: Option<String>, settings: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        sh(&format!("mkdir -p -m 755 /run/sshd; ssh-keygen -q -t ed25519 -N '' -f {}", path("host_key")));
        // sshd reads it as the user who logs in.
        sh(&format!("chmod 755 {}; ssh-keygen -y -f {} >{}", path("."), env("SSH_PRIVATE_KEY_FILE"), path("keys")));
        let config = format!(
            "Port {port}\nListenAddress {address}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM {}\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\nLogLevel VERBOSE\n\
             {settings}\n",
            path("host_key"),
            path("keys"),
            // Without PAM, sshd refuses even a key to an account whose password is locked, as root's may be.
            if sh("getent shadow root").starts_with("root:!") { "yes" } else { "no" },
        );
        fs::write(path("config"), config).unwrap();
        let host_key = fs::read_to_string(path("host_key.pub")).unwrap();
        let mut sshd = Self { child: None, namespace, address: address.to_owned(), port, host_key, folder };
        sshd.listen().await;
        sshd
    }

    /// Lets it listen, for the first time or after [`Self::stop`]: at the same port, with the same key.
    pub async fn listen(&mut self) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let starts = |log: &str| log.matches("Server listening").count();
        let before = starts(&self.log());
        let inside = self.namespace.iter().map(|namespace| format!("--net=/run/netns/{namespace}"));
        // Without a namespace to enter, it only runs what follows.
        let child = Command::new("nsenter")
            .args(inside)
            .args(["/usr/sbin/sshd", "-D", "-f", &path("config"), "-E", &path("log")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        eventually("an sshd that listens", async || (starts(&self.log()) > before).then_some(())).await;
    }

    /// Ends its connections, as a network does that fails: the processes that serve them die without a word.
    pub fn cut(&self) {
        if let Some(child) = &self.child {
            sh(&format!("for session in $(ps -o pid= --ppid {}); do kill -KILL $session || true; done", child.id()));
        }
    }

    /// Ends its connections, and waits until the other ends have seen that.
    pub async fn cut_and_seen(&self) {
        let before = self.connections();
        assert!(!before.is_empty(), "nobody is connected");
        self.cut();
        let gone = || !before.iter().any(|inode| is_held(inode));
        eventually("the end of the connections", async || gone().then_some(())).await;
    }

    /// The sockets at the other ends of its connections, by their inodes, from the kernel's list.
    fn connections(&self) -> Vec<String> {
        let port = format!(":{:04X}", self.port);
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // The address at the other end is the third word; 06 is a memory of a socket.
        lines.filter(|words| words[2].ends_with(&port) && words[3] != "06").map(|words| words[9].to_owned()).collect()
    }

    /// Ends it and its connections.
    pub fn stop(&mut self) {
        if let Some(child) = &self.child {
            // It must not serve another one in between.
            sh(&format!("kill -STOP {} || true", child.id()));
        }
        self.cut();
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Puts it into the database as a pod host, roomy enough for every test.
    pub async fn add_to(&self, db: &TestDb, user: &str) {
        sqlx::query(
            "INSERT INTO servers (name, ssh_host, ssh_port, ssh_user, ssh_host_key, cpu_cores, memory_mb, disk_gb)
             VALUES ('own', $1, $2, $3, $4, 64, 65536, 1000)",
        )
        .bind(&self.address)
        .bind(i32::from(self.port))
        .bind(user)
        .bind(self.host_key.trim())
        .execute(&db.pool)
        .await
        .unwrap();
    }

    /// It, as a pod host.
    pub fn server(&self, user: &str) -> Server {
        Server {
            id: format!("server_{}", self.port),
            ssh_host: Some(self.address.clone()),
            ssh_port: self.port.into(),
            ssh_user: user.to_owned(),
            ssh_host_key: Some(self.host_key.clone()),
            ..server("ssh")
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- sshd's log ---\n{}", self.log());
        }
    }
}

/// A user of this machine.
pub struct User(String);

impl User {
    /// Adds one, who may log in by key alone.
    pub fn add(shell: &str) -> Self {
        let name = format!("host-test-{}", &Uuid::new_v4().simple().to_string()[..8]);
        sh(&format!("useradd --create-home --shell {shell} --password '*' {name}"));
        Self(name)
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn home(&self) -> String {
        format!("/home/{}", self.0)
    }

    /// Waits until nothing of the user's runs any more: only then can it be removed.
    pub async fn until_idle(&self) {
        let uid: u32 = sh(&format!("id -u {}", self.0)).parse().unwrap();
        let processes = || {
            let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
            let owner = |process: fs::DirEntry| {
                process.metadata().ok().map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata))
            };
            processes.filter_map(owner).any(|owner| owner == uid)
        };
        eventually("the end of the user's processes", async || (!processes()).then_some(())).await;
    }
}

impl Drop for User {
    fn drop(&mut self) {
        drop(Command::new("userdel").args(["--remove", "--force", &self.0]).stderr(Stdio::null()).status());
    }
}
