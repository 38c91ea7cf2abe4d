//! What a person types about a host that answers. `db::cli` has the rest.

use crate::{
    db::cli::said,
    host::{exec::in_time, sshd::Sshd},
    support::{TestDb, host::sh, worker::cli},
};

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
