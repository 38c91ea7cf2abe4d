//! A repository's `pinacle.yaml`, and the pod that it leads to. The input: the pod's config as JSON, `===`, and the
//! file. Without `===`, the input is the file, and the config is empty.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pinacle_fuzz::two_parts;
use pinacle_worker::podspec::{Catalog, resolve, resolve_project, secrets};
use serde_json::{Value, json};

/// `MAX_ENTRIES` in src/podspec/shape.rs, and `MAX_TEXT` in src/podspec/text.rs.
const MAX_ENTRIES: usize = 50;
const MAX_TEXT: usize = 64 * 1024;
/// The length of a sentence for `pods.last_error`, in bytes.
const MAX_SENTENCE: usize = 1024;
/// The secret in the inputs.
const SECRET: &str = "hunter22";

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::load(None).expect("the built-in catalog"));

/// Whether the secret is anywhere except in a variable's value and in the repository's address, where secrets belong.
fn has_secret_elsewhere(mut config: Value) -> bool {
    if let Some(Value::Object(variables)) = config.get_mut("environment") {
        variables.values_mut().for_each(|value| *value = Value::Null);
    }
    if let Some(url) = config.get_mut("repository").and_then(|repository| repository.get_mut("url")) {
        *url = Value::Null;
    }
    config.to_string().contains(SECRET)
}

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let (config, file) = two_parts(&input);
    let config: Value = serde_json::from_str(config).unwrap_or_else(|_| json!({}));
    let without = resolve(&config, &CATALOG);
    let with = resolve_project(&config, file, &CATALOG, |_| false);

    let notices = with.iter().flat_map(|(_, notices)| notices);
    for error in [without.as_ref().err(), with.as_ref().err()].into_iter().flatten().chain(notices) {
        let sentence = error.to_string();
        assert!(sentence.len() <= MAX_SENTENCE, "{} bytes", sentence.len());
        assert!(!sentence.contains(char::is_control), "{sentence:?}");
        if sentence.contains(SECRET) {
            let file: Option<Value> = serde_saphyr::from_str(file).ok();
            assert!(has_secret_elsewhere(config.clone()) || file.is_some_and(has_secret_elsewhere), "{sentence}");
        }
    }
    let Ok((project, _)) = with else { return };

    for list in [&project.pre_start, &project.post_start, &project.install] {
        assert!(list.len() <= MAX_ENTRIES);
        assert!(list.iter().all(|text| !text.trim().is_empty() && !text.contains('\0') && text.len() <= MAX_TEXT));
    }
    assert!(project.services.len() <= MAX_ENTRIES && project.ports.len() <= MAX_ENTRIES);
    assert!(project.processes.len() <= MAX_ENTRIES);
    for (at, process) in project.processes.iter().enumerate() {
        assert!(project.processes[..at].iter().all(|other| other.name != process.name));
        assert!((1..=32).contains(&process.name.len()));
        assert!(process.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
    for (at, port) in project.ports.iter().enumerate() {
        let same = |other: &&_| **other == (port.internal, port.protocol);
        let before: Vec<_> = project.ports[..at].iter().map(|other| (other.internal, other.protocol)).collect();
        assert!(port.internal > 0 && before.iter().find(same).is_none(), "{port:?}");
    }
    for (name, value) in &project.environment {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name:?}");
        assert!(!value.contains('\0') && value.len() <= MAX_TEXT);
    }
    assert!(!format!("{project:?}").is_empty());

    // The file overrides nothing in the config.
    let Ok(without) = without else { return };
    if let Some(Value::Object(variables)) = config.get("environment") {
        assert!(
            variables.iter().all(|(name, value)| project.environment.get(name).map(String::as_str) == value.as_str())
        );
    }
    let hidden = [without.secrets(), project.secrets()].concat();
    assert!(secrets(&config).unwrap_or_default().iter().all(|secret| hidden.contains(secret)), "a secret is shown");
});
