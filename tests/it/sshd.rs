//! An SSH server of a test's own, and a user who lives as long as the test.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use pinacle_worker::store::servers::Server;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    exec::server,
    support::{env, eventually, free_port, host::sh},
};

pub struct Sshd {
    child: Child,
    port: u16,
    host_key: String,
    folder: TempDir,
}

impl Sshd {
    /// Starts one, with these lines in its settings, that takes the development stack's key. It is left with its
    /// defaults: ten sessions a connection, and a shell that reads its start-up files.
    pub async fn start(settings: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        sh(&format!("mkdir -p -m 755 /run/sshd; ssh-keygen -q -t ed25519 -N '' -f {}", path("host_key")));
        // sshd reads it as the user who logs in.
        sh(&format!("chmod 755 {}; ssh-keygen -y -f {} >{}", path("."), env("SSH_PRIVATE_KEY_FILE"), path("keys")));
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\nLogLevel VERBOSE\n\
             {settings}\n",
            path("host_key"),
            path("keys"),
        );
        fs::write(path("config"), config).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f", &path("config"), "-E", &path("log")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let host_key = fs::read_to_string(path("host_key.pub")).unwrap();
        let sshd = Self { child, port, host_key, folder };
        eventually("an sshd that listens", async || sshd.log().contains("Server listening").then_some(())).await;
        sshd
    }

    /// It, as a pod host.
    pub fn server(&self, user: &str) -> Server {
        Server {
            id: format!("server_{}", self.port),
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
        drop(self.child.kill());
        drop(self.child.wait());
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
