//! A host, or whoever answers in its place, before the worker knows who it is.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{TestDb, Worker};

/// As many as fit into one packet of SSH.
const LEVELS: usize = 2_800;

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A host key that is a certificate, signed by a key that is a certificate, and so on.
fn nested_certificates() -> Vec<u8> {
    let empty = string(b"");
    let signature = string(&[string(b"a@b"), string(b"x")].concat());
    (0..LEVELS).fold([string(b"a@b"), empty.clone()].concat(), |signer, _| {
        [
            [string(b"a-cert-v01@x"), empty.clone(), empty.clone()].concat(),
            [&0_u64.to_be_bytes()[..], &1_u32.to_be_bytes()].concat(),
            [empty.clone(), empty.clone()].concat(),
            [0_u64.to_be_bytes(), u64::MAX.to_be_bytes()].concat(),
            [empty.clone(), empty.clone(), empty.clone(), string(&signer), signature.clone()].concat(),
        ]
        .concat()
    })
}

/// A packet before there is any encryption.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (5 + payload.len()) % 8;
    let padding = if padding < 4 { padding + 8 } else { padding };
    let length = u32::try_from(payload.len() + padding + 1).unwrap();
    [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap()], payload, &vec![0; padding]].concat()
}

/// What a server offers, and the answer to the key exchange that a client begins.
fn handshake(host_key: &[u8]) -> Vec<u8> {
    let methods = ["curve25519-sha256", "ssh-ed25519", "aes256-ctr", "aes256-ctr", "hmac-sha2-256", "hmac-sha2-256"];
    let methods = methods.into_iter().chain(["none", "none", "", ""]).flat_map(|method| string(method.as_bytes()));
    let offer = [vec![20; 17], methods.collect(), vec![0; 5]].concat();
    let answer = [vec![31], string(host_key), string(&[9; 32]), string(b"")].concat();
    [b"SSH-2.0-host\r\n".to_vec(), packet(&offer), packet(&answer)].concat()
}

#[tokio::test]
async fn a_host_key_as_deep_as_a_packet_ends_no_worker() {
    let db = TestDb::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    db.ssh_server("hostile", listener.local_addr().unwrap().port()).await;
    let asked = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(&handshake(&nested_certificates())).await.unwrap();
        let mut rest = Vec::new();
        // It hangs up once it has read the key.
        drop(client.read_to_end(&mut rest).await);
    });
    let worker = Worker::start(&db).await;
    let pod = db.pod("victim", &json!({})).await;
    db.job(&pod, "create").await;
    asked.await.unwrap();
    db.until(&format!("SELECT last_error IS NOT NULL FROM pod_jobs WHERE pod_id = '{pod}'")).await;
    let bystander = db.pod("bystander", &json!({})).await;
    db.done(&bystander, "destroy").await;
    assert_eq!(worker.stop().await, Some(0));
}
