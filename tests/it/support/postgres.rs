//! A PostgreSQL of a test's own, to be broken: the development stack's serves the other tests at the same time.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use tempfile::TempDir;
use uuid::Uuid;

use super::{free_port, host::sh};

pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    password: String,
}

impl Postgres {
    pub fn start() -> Self {
        let newest = sh("ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1");
        let (folder, password) = (tempfile::tempdir().unwrap(), Uuid::new_v4().simple().to_string());
        let postgres = Self { folder, programs: newest.into(), port: free_port(), password };
        let path = |name: &str| postgres.folder.path().join(name).display().to_string();
        // Loopback is everyone's on this machine, so it takes a password.
        fs::write(path("password"), &postgres.password).unwrap();
        fs::set_permissions(path("password"), PermissionsExt::from_mode(0o600)).unwrap();
        sh(&format!("chown -R postgres {}", path(".")));
        postgres.run(&format!(
            "initdb --no-sync --pgdata {} --username pinacle --auth scram-sha-256 --pwfile {} --encoding UTF8 \
             --locale C.UTF-8",
            path("data"),
            path("password")
        ));
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n",
            postgres.port,
            path(".")
        );
        let file = path("data/postgresql.conf");
        fs::write(&file, fs::read_to_string(&file).unwrap() + &settings).unwrap();
        postgres.control("start");
        postgres
    }

    /// Of the database that is there from the beginning.
    pub fn url(&self) -> String {
        format!("postgres://pinacle:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    /// Ends it as a crash would, and starts it again.
    pub fn crash_and_restart(&self) {
        self.control("restart --mode immediate");
    }

    fn control(&self, action: &str) {
        let folder = self.folder.path().display();
        self.run(&format!("pg_ctl {action} --wait --timeout 60 --pgdata {folder}/data --log {folder}/log"));
    }

    /// PostgreSQL refuses to run as root. A server that is started must not hold this command's output.
    fn run(&self, command: &str) {
        let (programs, folder) = (self.programs.display(), self.folder.path().display());
        sh(&format!(
            "cd / && runuser -u postgres -- {programs}/{command} </dev/null >{folder}/output 2>&1 || {{
            cat {folder}/output {folder}/log >&2; exit 1; }}"
        ));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.control("stop --mode immediate");
    }
}
