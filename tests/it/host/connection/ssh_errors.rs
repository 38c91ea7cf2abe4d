//! Hosts that can't be reached, or must not be: each with an error that says what to do, and in time.

use std::{sync::Arc, time::Duration};

use pinacle_worker::{
    fleet::HostDirectory,
    remote::{Command, ConnectionError, Host, Outcome, ssh::fetch_host_key},
    store::servers::Server,
};
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    host::{
        exec::{exec, in_time, server, ssh_to, start, timed, try_exec},
        sshd::Sshd,
    },
    support::{env, free_port, host::sh},
};

async fn refusal(host: &Arc<Host>) -> (Duration, ConnectionError) {
    let (took, refused) = timed(try_exec(host, &Command::new("true"), None)).await;
    (took, refused.expect_err("a host that can't be reached"))
}

/// A new key pair: the private key, and the public one.
fn new_key() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key").display().to_string();
    sh(&format!("ssh-keygen -q -t ed25519 -N '' -C '' -f {file}"));
    (std::fs::read_to_string(&file).unwrap(), std::fs::read_to_string(format!("{file}.pub")).unwrap())
}

#[tokio::test]
async fn another_host_key_than_the_pinned_one_is_refused() {
    let other = Server { ssh_host_key: Some(new_key().1), ..server("ssh") };
    let (took, error) = refusal(&ssh_to(&other)).await;
    assert!(matches!(error, ConnectionError::HostKey { .. }), "{error:?}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    // One of a kind that the host has none of.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key").display().to_string();
    sh(&format!("ssh-keygen -q -t ecdsa -N '' -f {file}"));
    let key = std::fs::read_to_string(format!("{file}.pub")).unwrap();
    let (_, error) = refusal(&ssh_to(&Server { ssh_host_key: Some(key), ..server("ssh") })).await;
    assert!(matches!(error, ConnectionError::HostKey { .. }), "{error:?}");
}

#[tokio::test]
async fn a_key_that_the_host_does_not_know_is_refused() {
    let host = HostDirectory::new(Some(new_key().0.into())).get(&server("ssh")).unwrap();
    let (took, error) = refusal(&host).await;
    assert!(matches!(error, ConnectionError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("user root") && took < Duration::from_secs(9), "{error} after {took:?}");
    let nobody = Server { ssh_user: "no-such-user".to_owned(), ..server("ssh") };
    assert!(matches!(refusal(&ssh_to(&nobody)).await.1, ConnectionError::Refused { .. }));
}

#[tokio::test]
async fn settings_that_are_none_are_named() {
    let not_a_key = HostDirectory::new(Some("-----BEGIN NONSENSE-----".to_owned().into())).get(&server("ssh")).unwrap();
    let (_, error) = refusal(&not_a_key).await;
    assert!(
        matches!(error, ConnectionError::Settings { .. }) && error.to_string().contains("SSH_PRIVATE_KEY"),
        "{error}"
    );
    let (_, error) = refusal(&ssh_to(&Server { ssh_host_key: Some("nonsense".to_owned()), ..server("ssh") })).await;
    assert!(matches!(error, ConnectionError::Settings { .. }) && error.to_string().contains("ssh_host_key"), "{error}");
    let unpinned = Server { ssh_host_key: None, ..server("ssh") };
    let error = HostDirectory::new(Some(new_key().0.into())).get(&unpinned).err().unwrap();
    assert!(matches!(error, ConnectionError::Settings { .. }) && error.to_string().contains("pinned"), "{error}");
    let error = HostDirectory::new(None).get(&server("ssh")).err().unwrap();
    assert!(error.to_string().contains("SSH_PRIVATE_KEY_FILE"), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_waited_for() {
    let port = free_port();
    let (took, error) = refusal(&ssh_to(&Server { ssh_port: port.into(), ..server("ssh") })).await;
    assert!(matches!(error, ConnectionError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    let nowhere = Server { ssh_host: Some("no-such-host.invalid".to_owned()), ..server("ssh") };
    assert!(matches!(refusal(&ssh_to(&nowhere)).await.1, ConnectionError::Unreachable { .. }));
    assert!(matches!(fetch_host_key("127.0.0.1", port, None).await.unwrap_err(), ConnectionError::Unreachable { .. }));
}

/// Accepts whoever comes, and says nothing.
async fn silent() -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accept = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
        }
    });
    (port, accept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_says_nothing_is_given_up_in_time() {
    let (port, _accept) = silent().await;
    let host = ssh_to(&Server { ssh_port: port.into(), ..server("ssh") });
    // Not one after the other, each with a wait of its own.
    let many: Vec<_> = (0..20).map(|_| start(&host, &Command::new("true"), None)).collect();
    let (took, ()) = timed(async {
        for running in many {
            let error = running.end().await.unwrap_err();
            assert!(matches!(error, ConnectionError::Unreachable { .. }), "{error:?}");
            assert!(error.to_string().contains("no response within 10 s"), "{error}");
        }
    })
    .await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    let (took, fetched) = timed(fetch_host_key("127.0.0.1", port, None)).await;
    assert!(matches!(fetched, Err(ConnectionError::Unreachable { .. })) && took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_can_be_cancelled() {
    let (port, _accept) = silent().await;
    let host = ssh_to(&Server { ssh_port: port.into(), ..server("ssh") });
    let running = start(&host, &Command::new("true"), None);
    running.cancel.cancel();
    let (took, outcome) = timed(running.end()).await;
    assert_eq!(outcome.unwrap(), Outcome::Ended);
    assert!(took < Duration::from_secs(9), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_that_is_fetched_is_the_one_to_pin() {
    let port = env("PINACLE_DEV_SSH_PORT").parse().unwrap();
    let fetched = fetch_host_key("127.0.0.1", port, None).await.unwrap();
    assert_eq!(fetched, env("PINACLE_DEV_SSH_HOST_KEY"));
    let host = ssh_to(&Server { ssh_host_key: Some(fetched), ..server("ssh") });
    assert!(exec(&host, &Command::new("true")).await.outcome.success());
    // By name; and the comment that a key's file has does no harm.
    let named = Server {
        ssh_host: Some("localhost".to_owned()),
        ssh_host_key: Some(format!("{} root@host", env("PINACLE_DEV_SSH_HOST_KEY"))),
        ..server("ssh")
    };
    assert!(exec(&ssh_to(&named), &Command::new("true")).await.outcome.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_with_several_keys_shows_the_pinned_one() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let file = |kind: &str| folder.path().join(kind).display().to_string();
        let mut settings = String::from("PermitRootLogin yes\n");
        for kind in ["rsa", "ecdsa"] {
            sh(&format!("ssh-keygen -q -t {kind} -N '' -f {}", file(kind)));
            settings.extend(["HostKey ", &file(kind), "\n"]);
        }
        let sshd = Sshd::start(&settings).await;
        for kind in ["rsa", "ecdsa"] {
            let key = std::fs::read_to_string(format!("{}.pub", file(kind))).unwrap();
            let host = ssh_to(&Server { ssh_host_key: Some(key), ..sshd.server("root") });
            assert!(exec(&host, &Command::new("true")).await.outcome.success(), "{kind}");
        }
    })
    .await;
}
