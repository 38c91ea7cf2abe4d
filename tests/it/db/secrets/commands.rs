//! `secrets public-key`, `secrets rotate`, and what `check` says.

use std::process::Output;

use serde_json::{Value, json};

use super::{KEY, KEY_ID, LOST_KEY, OLD_KEY, dump, key, sealed, sealed_for, store};
use crate::support::{
    TestDb,
    worker::{binary, cli},
};

const PUBLIC: &str = "hpke:v1:eedd883da0a94515:j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=";

fn said(output: &Output) -> String {
    [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat()
}

/// Runs a command with this key and this list of older ones.
fn with_keys(db: &TestDb, key: &str, fallbacks: &str, args: &[&str]) -> Output {
    let mut command = binary();
    command.env("DATABASE_URL", db.url()).env("SECRETS_KEY", key).env("SECRETS_KEY_FALLBACKS", fallbacks);
    command.args(args).output().unwrap()
}

#[test]
fn the_public_key_is_one_string() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    for (setting, value) in [("SECRETS_KEY", KEY), ("SECRETS_KEY_FILE", file.to_str().unwrap())] {
        let output = binary().env(setting, value).args(["secrets", "public-key"]).output().unwrap();
        assert_eq!((output.status.code(), &*said(&output)), (Some(0), &*format!("{PUBLIC}\n")));
    }
    let output = binary().env("SECRETS_KEY", KEY).args(["secrets", "public-key", "--json"]).output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let public_key = PUBLIC.rsplit_once(':').unwrap().1;
    assert_eq!(printed, json!({ "key_id": KEY_ID, "public_key": public_key, "string": PUBLIC }));
}

#[test]
fn what_is_no_key_is_refused_and_never_printed() {
    let refused = |settings: &[(&str, &str)], args: &[&str], says: &[&str]| {
        let output = binary().envs(settings.iter().copied()).args(args).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in says.iter().chain(&["openssl rand -base64 32"]) {
            assert!(said.contains(part), "{part}: {said}");
        }
        for (_, value) in settings.iter().filter(|(_, value)| !value.is_empty()) {
            assert!(value.split(',').all(|value| !said.contains(value)), "{said}");
        }
    };
    for args in [["secrets", "public-key"], ["secrets", "rotate"]] {
        refused(&[], &args, &["SECRETS_KEY is not set"]);
        refused(&[("SECRETS_KEY", "")], &args, &["SECRETS_KEY is not set"]);
        refused(&[("SECRETS_KEY", "hunter22hunter22")], &args, &["SECRETS_KEY holds no key", "64 hex digits"]);
        let fallbacks = format!("{OLD_KEY},hunter22");
        let settings = [("SECRETS_KEY", KEY), ("SECRETS_KEY_FALLBACKS", &*fallbacks)];
        refused(&settings, &args, &["key 2 of SECRETS_KEY_FALLBACKS"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "hunter22").unwrap();
    let output = binary().env("SECRETS_KEY_FILE", &file).args(["secrets", "public-key"]).output().unwrap();
    let said = said(&output);
    assert!(
        output.status.code() == Some(2) && said.contains("SECRETS_KEY_FILE (") && !said.contains("hunter"),
        "{said}"
    );
    // A worker does not start with it, and `check` says what is wrong.
    for command in ["run", "check"] {
        let settings = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/x"), ("SECRETS_KEY", "hunter22hunter22")];
        let output = binary().envs(settings).arg(command).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}");
    }
}

#[tokio::test]
async fn help_names_the_settings_and_shows_no_key() {
    let output = binary().env("SECRETS_KEY", KEY).env("SECRETS_KEY_FALLBACKS", OLD_KEY).arg("--help").output().unwrap();
    let said = said(&output);
    assert!(said.contains("SECRETS_KEY_FALLBACKS") && !said.contains(KEY) && !said.contains(OLD_KEY), "{said}");
}

#[tokio::test]
async fn rotate_seals_all_for_the_current_key() {
    let db = TestDb::new().await;
    let (a, b) = (db.pod("a", &json!({})).await, db.pod("b", &json!({})).await);
    store(&db, &a, "PLAIN", "plain-0123456789").await;
    store(&db, &b, "PLAIN_2", "").await;
    store(&db, &a, "OLD", &sealed(OLD_KEY, &a, "OLD", "old-0123456789")).await;
    store(&db, &b, "CURRENT", &sealed(KEY, &b, "CURRENT", "current")).await;

    let rotate = with_keys(&db, KEY, OLD_KEY, &["secrets", "rotate"]);
    assert_eq!(rotate.status.code(), Some(0), "{}", said(&rotate));
    assert_eq!(said(&rotate), format!("Sealed 3 for the key {KEY_ID}; 1 were already.\n"));
    assert_eq!(sealed_for(&db, KEY).await, ["CURRENT", "OLD", "PLAIN", "PLAIN_2"]);
    assert!(!dump(&db).await.contains("0123456789"));

    // The older key is not needed any more.
    let again = with_keys(&db, KEY, "", &["secrets", "rotate", "--json"]);
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(report, json!({ "key_id": KEY_ID, "sealed": 0, "already": 4, "failed": [], "busy": [] }));
}

#[tokio::test]
async fn rotate_names_what_it_can_not_open_and_goes_on() {
    let db = TestDb::new().await;
    let (a, b) = (db.pod("a", &json!({})).await, db.pod("b", &json!({})).await);
    store(&db, &a, "LOST", &sealed(LOST_KEY, &a, "LOST", "lost-0123456789")).await;
    store(&db, &b, "MOVED", &sealed(KEY, &a, "MOVED", "moved-0123456789")).await;
    store(&db, &b, "DAMAGED", "hpke:v1:damaged-0123456789").await;
    store(&db, &b, "PLAIN", "plain-0123456789").await;
    let before = dump(&db).await;

    let rotate = with_keys(&db, KEY, OLD_KEY, &["secrets", "rotate"]);
    let text = said(&rotate);
    assert_eq!(rotate.status.code(), Some(1), "{text}");
    assert!(text.contains("Sealed 1 for"), "{text}");
    for (name, pod, says) in
        [("LOST", &a, key(LOST_KEY).id()), ("MOVED", &b, "another pod"), ("DAMAGED", &b, "hpke:v1:<key id>:<base64>")]
    {
        let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains(&**pod) && line.contains("(env)") && line.contains(says), "{line}");
    }
    assert!(!text.contains("0123456789"), "{text}");
    for unopened in before.lines().filter(|line| !line.contains("PLAIN")) {
        assert!(dump(&db).await.contains(unopened), "it stays as it was: {unopened}");
    }
}

#[tokio::test]
async fn rotate_waits_for_no_lock_and_names_what_is_held() {
    let db = TestDb::new().await;
    let (a, b) = (db.pod("a", &json!({})).await, db.pod("b", &json!({})).await);
    for (pod, name) in [(&a, "HELD"), (&b, "BESIDE"), (&b, "FREE")] {
        store(&db, pod, name, "plain-0123456789").await;
    }
    // The row itself, and what an insert of another secret of the same pod locks.
    let mut held = db.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM pod_secrets WHERE name = 'HELD' FOR UPDATE").execute(&mut *held).await.unwrap();
    let mut inserting = db.pool.begin().await.unwrap();
    sqlx::query("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ($1, 'env', 'NEW', 'x')")
        .bind(&b)
        .execute(&mut *inserting)
        .await
        .unwrap();
    let rotate = with_keys(&db, KEY, "", &["secrets", "rotate", "--json"]);
    assert_eq!(rotate.status.code(), Some(1), "{}", said(&rotate));
    let report: Value = serde_json::from_slice(&rotate.stdout).unwrap();
    let busy: Vec<_> = report["busy"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let mut expected = [(a.as_str(), "HELD"), (b.as_str(), "BESIDE"), (b.as_str(), "FREE")];
    expected.sort_unstable();
    assert_eq!(busy, expected.map(|(_, name)| name));

    held.rollback().await.unwrap();
    inserting.commit().await.unwrap();
    let rotate = with_keys(&db, KEY, "", &["secrets", "rotate"]);
    assert_eq!(rotate.status.code(), Some(0), "{}", said(&rotate));
    assert_eq!(sealed_for(&db, KEY).await, ["BESIDE", "FREE", "HELD", "NEW"]);
}

#[tokio::test]
async fn check_says_how_secrets_are_stored() {
    let db = TestDb::new().await;
    let without = said(&cli(&db, &["check"]));
    assert!(without.contains("plain text in the database and in every backup"), "{without}");
    assert!(without.contains("openssl rand -base64 32"), "{without}");
    let pod = db.pod("a", &json!({})).await;
    store(&db, &pod, "PLAIN", "plain-0123456789").await;
    store(&db, &pod, "OLD", &sealed(OLD_KEY, &pod, "OLD", "x")).await;
    store(&db, &pod, "CURRENT", &sealed(KEY, &pod, "CURRENT", "x")).await;

    let check = said(&with_keys(&db, KEY, OLD_KEY, &["check"]));
    for part in [&*format!("key {KEY_ID} (SECRETS_KEY)"), "plain text still: 1", "SECRETS_KEY_FALLBACKS: 1"] {
        assert!(check.contains(part), "{part}: {check}");
    }
    assert!(!check.contains("not set here") && !check.contains("0123456789"), "{check}");
    let check = with_keys(&db, KEY, "", &["check"]);
    assert_eq!(check.status.code(), Some(1), "{}", said(&check));
    assert!(said(&check).contains("a key which is not set here: 1"), "{}", said(&check));
    assert!(said(&cli(&db, &["check"])).contains("a key which is not set here: 2"));
    with_keys(&db, KEY, OLD_KEY, &["secrets", "rotate"]);
    let check = with_keys(&db, KEY, "", &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", said(&check));
    assert!(said(&check).contains("sealed for the key: all (3)"), "{}", said(&check));
}
