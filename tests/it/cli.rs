//! What a person types, and what the exit code says of it.

use std::process::{Command, Output};

use crate::{
    exec::in_time,
    sshd::Sshd,
    support::{
        TestDb,
        host::sh,
        worker::{binary, cli},
    },
};

fn said(output: &Output) -> String {
    [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat()
}

/// The binary without any setting from the environment.
fn bare() -> Command {
    let mut command = binary();
    command.env_remove("SSH_PRIVATE_KEY_FILE").env_remove("DATABASE_URL");
    command
}

#[test]
fn help_shows_the_settings_files_values_but_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker.env");
    std::fs::write(&file, "DATABASE_URL=postgres://u:hidden@h/d\nSSH_PRIVATE_KEY=hidden-key\nCONCURRENCY=77\n")
        .unwrap();
    let help = said(&bare().arg("--config").arg(&file).args(["run", "--help"]).output().unwrap());
    // Its lines are broken anywhere.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("[default: 77]") && help.contains("SSH_PRIVATE_KEY"), "{help}");
    assert!(!help.contains("hidden"), "{help}");
}

/// As a compose file or a unit leaves it that fills in a variable which is not there.
#[test]
fn a_setting_that_is_empty_is_not_set() {
    let names =
        ["PINACLE_CONFIG", "DATABASE_URL", "SSH_PRIVATE_KEY", "SSH_PRIVATE_KEY_FILE", "SERVICES_DIR", "HTTP_ADDR"];
    let check = bare().envs(names.map(|name| (name, ""))).arg("check").output().unwrap();
    let said = said(&check);
    assert!(said.contains("DATABASE_URL is not set") && said.contains("no SSH private key"), "{said}");
    assert_eq!(check.status.code(), Some(2), "{said}");
}

#[tokio::test]
async fn wrong_settings_exit_with_2_and_what_failed_with_1() {
    let db = TestDb::new().await;
    let unset = bare().args(["pods", "list"]).output().unwrap();
    assert_eq!(unset.status.code(), Some(2), "{}", said(&unset));
    let usage = cli(&db, &["pods", "list", "--concurrency", "0"]);
    assert_eq!(usage.status.code(), Some(2), "{}", said(&usage));
    let failed = cli(&db, &["pods", "show", "nobody"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("nobody"), "{}", said(&failed));
    let done = cli(&db, &["pods", "list"]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
}

/// A host has a key of each kind, and a person compares with any of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_pinned_by_whichever_of_its_keys_is_given() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let new_key = |name: &str, kind: &str| {
            sh(&format!("ssh-keygen -q -t {kind} -N '' -C '' -f {}", file(name)));
            std::fs::read_to_string(file(&format!("{name}.pub"))).unwrap().trim().to_owned()
        };
        let ecdsa = new_key("ecdsa", "ecdsa");
        let (sshd, db) = (Sshd::start(&format!("HostKey {}", file("ecdsa"))).await, TestDb::new().await);
        let server = sshd.server("root");
        let port = server.ssh_port.to_string();
        let add = |name: &str, key: &str| {
            let size = ["--cpu-cores", "1", "--memory-mb", "1024", "--disk-gb", "10"];
            let host = ["servers", "add", name, "--ssh-host", "127.0.0.1", "--ssh-port", &port, "--host-key", key];
            cli(&db, &[&host[..], &size].concat())
        };
        for (name, key) in [("ecdsa", &*ecdsa), ("ed25519", server.ssh_host_key.as_deref().unwrap())] {
            let added = add(name, key);
            assert!(added.status.success(), "{}", said(&added));
            let pinned = db.text(&format!("SELECT ssh_host_key FROM servers WHERE name = '{name}'")).await;
            assert_eq!(pinned.split(' ').take(2).collect::<Vec<_>>(), key.split(' ').take(2).collect::<Vec<_>>());
        }
        for key in [new_key("another", "ed25519"), new_key("rsa", "rsa")] {
            let refused = add("other", &key);
            assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
            assert!(said(&refused).contains("Nothing was added"), "{}", said(&refused));
        }
        assert_eq!(db.text("SELECT count(*) FROM servers").await, "2");
    })
    .await;
}
