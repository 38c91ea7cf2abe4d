//! What a person types, and what the exit code says of it.

use std::process::{Command, Output};

use crate::support::{
    TestDb,
    worker::{binary, cli},
};

pub fn said(output: &Output) -> String {
    [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat()
}

/// The binary without any setting from the environment.
fn bare() -> Command {
    let mut command = binary();
    command.env_remove("SSH_PRIVATE_KEY_FILE").env_remove("SSH_PRIVATE_KEY").env_remove("DATABASE_URL");
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
