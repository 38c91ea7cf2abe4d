//! Secrets that the database does not know.

mod commands;
mod destroy;
mod jobs;
mod sealing;

use pinacle_worker::secrets::{Place, SealingKey};

use crate::support::TestDb;

/// As `openssl rand -base64 32` makes one.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const KEY_ID: &str = "eedd883da0a94515";
/// As `openssl rand -hex 32` makes one.
pub const OLD_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const LOST_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn key(text: &str) -> SealingKey {
    SealingKey::parse(text).unwrap()
}

/// As an app seals it that has the public key alone.
pub fn sealed(key_text: &str, pod_id: &str, name: &str, value: &str) -> String {
    key(key_text).seal(&Place { pod_id, kind: "env", name }, value)
}

/// Stores a variable of a pod, as the app does.
pub async fn store(db: &TestDb, pod: &str, name: &str, value: &str) {
    sqlx::query("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ($1, 'env', $2, $3)")
        .bind(pod)
        .bind(name)
        .bind(value)
        .execute(&db.pool)
        .await
        .unwrap();
}

/// The table as a dump of it has it.
pub async fn dump(db: &TestDb) -> String {
    db.text("SELECT string_agg(s::text, E'\\n' ORDER BY s) FROM pod_secrets s").await
}

/// The names of the secrets that are sealed for this key.
async fn sealed_for(db: &TestDb, key_text: &str) -> Vec<String> {
    let id = key(key_text).id().to_owned();
    db.texts(&format!("SELECT name FROM pod_secrets WHERE starts_with(value, 'hpke:v1:{id}:') ORDER BY name")).await
}
