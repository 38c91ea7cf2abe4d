//! `pinacle.yaml`, with which a repository says how it wants to be developed. What it says fills in what the pod's
//! config leaves out.

use serde_json::{Map, Value};

use super::config::PodConfig;
use super::error::SpecError;

/// What people are told the file is called.
pub(super) const NAME: &str = "pinacle.yaml";

/// Keys that are meant for the web app, or that were settled before the repository was there: what the container is
/// made from. They may stand in the file, and change nothing.
const NOT_OURS: [&str; 8] = ["version", "name", "description", "tabs", "template", "tier", "baseImage", "repository"];

/// Reads the file's text.
pub(super) fn parse(text: &str) -> Result<PodConfig, SpecError> {
    let wrong = |message: String| SpecError::new("", message).in_file(NAME);
    if text.trim().is_empty() {
        return Ok(PodConfig::default());
    }
    let file: Value =
        serde_saphyr::from_str(text).map_err(|error| wrong(format!("it is no YAML: {}", place(&error))))?;
    let mut keys = match file {
        Value::Object(keys) => keys,
        Value::Null => Map::new(),
        _ => return Err(wrong("it must hold keys and values, such as `install: pnpm install`".to_owned())),
    };
    for key in NOT_OURS {
        keys.remove(key);
    }
    let parsed = serde_path_to_error::deserialize(Value::Object(keys));
    parsed.map_err(|error| SpecError::from(error).in_file(NAME))
}

/// Where YAML ends to be one, without a word of the file: it may hold secrets.
fn place(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(location) => format!("see line {}, column {}", location.line(), location.column()),
        None => "see what a YAML checker says".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::spec::{Catalog, SpecError, resolve_project};

    fn resolve(config: &serde_json::Value, text: &str) -> Result<crate::spec::PodSpec, SpecError> {
        resolve_project(config, text, &Catalog::load(None).expect("the catalog"))
    }

    #[test]
    fn the_pods_config_wins_over_the_file_and_the_file_over_the_template() {
        let config = json!({
            "template": "vite",
            "environment": { "A": "config", "B": "config" },
            "hooks": { "preStart": ["config"] },
        });
        let text = "version: 1.0\ntier: dev.xlarge\ntabs: [{name: x}]\ninstall: [one, two]\n\
            environment: {B: file, C: 'file', NODE_ENV: file}\n\
            hooks: {preStart: [file], postStart: [file]}\n";
        let spec = resolve(&config, text).expect("a pod");
        assert_eq!(spec.tier.name, "dev.medium", "the container is there by now");
        assert_eq!(spec.install, ["one", "two"]);
        let environment: Vec<_> = spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(environment, ["A=config", "B=config", "C=file", "NODE_ENV=file"]);
        assert_eq!((&*spec.pre_start, &*spec.post_start), (&["config".into()][..], &["file".into()][..]));
        assert_eq!(spec.processes[0].name, "app", "the template's");
    }

    #[test]
    fn a_file_that_says_nothing_changes_nothing() {
        let config = json!({ "template": "python" });
        for text in ["", "\n", "# only a comment\n", "{}", "null"] {
            assert_eq!(resolve(&config, text).expect("a pod").install.len(), 1, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_of_the_file_and_repeats_nothing_of_it() {
        for (text, says) in [
            ("install: 5", "pinacle.yaml install: a number does not fit here; use a string or a list of strings"),
            ("instal: x", "pinacle.yaml instal: there is no key of this name; known keys: "),
            ("services: [nope]", "pinacle.yaml services[0]: there is no service named \"nope\"; known services: "),
            ("- a", "pinacle.yaml: it must hold keys and values"),
            ("environment: {A: [hunter22}", "pinacle.yaml: it is no YAML: see line 1"),
            ("environment: {A: hunter22, A: hunter22}", "pinacle.yaml: it is no YAML: see line 1"),
        ] {
            let error = resolve(&json!({}), text).expect_err(text).to_string();
            assert!(error.starts_with(says) && !error.contains("hunter22"), "{error}");
        }
    }

    #[test]
    fn a_file_made_to_explode_is_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in "bcdefghi".chars().zip("abcdefgh".chars()) {
            let nine = vec![format!("*{of}"); 9].join(", ");
            text.extend([name.to_string(), format!(": &{name} [{nine}]\n")]);
        }
        assert!(resolve(&json!({}), &text).is_err());
    }
}
