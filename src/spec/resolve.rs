//! The rules that take more than one value, and the defaults.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::{PodConfig, ProcessConfig};
use super::error::{SpecError, no_such, quote};
use super::pod::{PodSpec, ProcessSpec};
use super::ports;
use super::repository::Repository;
use super::shape::Object;
use super::tier;

/// The image of a pod whose config names none.
const DEFAULT_IMAGE: &str = "pinacledev/pinacle-base";

/// The templates that a config may name. There are none yet.
const TEMPLATES: &[&str] = &[];

/// The services that a config may name. There are none yet.
const SERVICES: &[&str] = &[];

/// Makes a [`PodSpec`] from the JSON in `pods.config`.
///
/// # Errors
///
/// The first thing that is wrong with the config, with its path.
pub fn resolve(config: &Value) -> Result<PodSpec, SpecError> {
    if !config.is_object() {
        let message = r#"the config must be an object, such as {} or {"tier": "dev.small"}"#;
        return Err(SpecError::new("", message));
    }
    let config: PodConfig = serde_path_to_error::deserialize(config)?;
    check_names(&config)?;
    let hooks = config.hooks.map(|Object(hooks)| hooks).unwrap_or_default();
    Ok(PodSpec {
        tier: tier::find(config.tier.as_deref())?,
        base_image: config.base_image.map_or_else(|| DEFAULT_IMAGE.to_owned(), String::from),
        environment: environment(config.environment.unwrap_or_default()),
        ports: ports::resolve(config.ports.unwrap_or_default())?,
        pre_start: strings(hooks.pre_start.unwrap_or_default()),
        post_start: strings(hooks.post_start.unwrap_or_default()),
        repository: config.repository.map(|Object(repository)| Repository {
            url: repository.url.into(),
            branch: repository.branch.map(String::from),
        }),
        install: strings(config.install.map(|install| install.0).unwrap_or_default()),
        processes: processes(config.processes.unwrap_or_default())?,
    })
}

/// Refuses names of templates and services that there are not.
fn check_names(config: &PodConfig) -> Result<(), SpecError> {
    if let Some(name) = config.template.as_deref().filter(|name| !TEMPLATES.contains(name)) {
        return Err(no_such("template", "template", name, TEMPLATES));
    }
    let mut services = config.services.iter().flatten().enumerate();
    match services.find(|(_, name)| !SERVICES.contains(&name.as_str())) {
        Some((index, name)) => Err(no_such(format!("services[{index}]"), "service", name, SERVICES)),
        None => Ok(()),
    }
}

fn strings(texts: Vec<impl Into<String>>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

fn environment(variables: BTreeMap<impl Into<String>, impl Into<String>>) -> BTreeMap<String, String> {
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The processes, of which no two may have the same name.
fn processes(configs: Vec<Object<ProcessConfig>>) -> Result<Vec<ProcessSpec>, SpecError> {
    let mut processes: Vec<ProcessSpec> = Vec::with_capacity(configs.len());
    for (index, Object(config)) in configs.into_iter().enumerate() {
        let name = String::from(config.name);
        if let Some(other) = processes.iter().position(|other| other.name == name) {
            return Err(SpecError::new(
                format!("processes[{index}].name"),
                format!(
                    "{} is already the name of processes[{other}]; give each process a name of its \
                     own",
                    quote(&name)
                ),
            ));
        }
        processes.push(ProcessSpec {
            name,
            start_command: config.start_command.into(),
            url: config.url.map(String::from),
            health_check: config.health_check.map(String::from),
        });
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn error(config: &Value) -> String {
        resolve(config).expect_err("a config that is wrong").to_string()
    }

    #[test]
    fn an_empty_config_gets_the_defaults() {
        let spec = resolve(&json!({})).expect("a pod");
        assert_eq!(spec.tier.name, "dev.small");
        assert_eq!(spec.base_image, "pinacledev/pinacle-base");
        assert_eq!(spec.project_dir(), "/workspace");
        assert!(spec.environment.is_empty() && spec.ports.is_empty() && spec.processes.is_empty());
        let nulls = json!({ "tier": null, "ports": null, "hooks": null, "services": null });
        assert_eq!(resolve(&nulls).expect("a pod"), spec);
    }

    #[test]
    fn a_full_config_arrives_as_written() {
        let hostile = "a  'b' \"c\" $HOME `id` \\ \n $(id); é";
        let spec = resolve(&json!({
            "tier": "dev.large",
            "baseImage": "debian:12",
            "services": [],
            "environment": { "A": hostile, "B": "" },
            "ports": [
                { "name": "web", "internal": 3000 },
                { "name": "dns", "internal": 3000, "protocol": "udp" },
                { "name": "dns 2", "internal": 80, "protocol": "udp" },
            ],
            "hooks": { "preStart": [hostile], "postStart": ["a", "b"] },
            "repository": { "url": "git@github.com:o/r.git", "branch": "main" },
            "install": ["npm ci", hostile],
            "processes": [
                { "name": "web", "startCommand": hostile, "url": "/", "healthCheck": "true" },
            ],
        }))
        .expect("a pod");
        assert_eq!((spec.tier.cpu_cores.to_string(), spec.tier.memory_mb), ("2".into(), 4096));
        assert_eq!(spec.base_image, "debian:12");
        assert_eq!(spec.environment["A"], hostile);
        let ports: Vec<String> =
            spec.ports.iter().map(|p| format!("{} {}/{}", p.name, p.internal, p.protocol)).collect();
        assert_eq!(ports, ["web 3000/tcp", "dns 3000/udp", "dns 2 80/udp"]);
        assert_eq!((&*spec.pre_start, &*spec.post_start), (&[hostile.into()][..], &["a".into(), "b".into()][..]));
        assert_eq!(spec.project_dir(), "/workspace/r");
        assert_eq!(spec.install, ["npm ci", hostile]);
        assert_eq!(spec.processes[0].start_command, hostile);
        assert_eq!(spec.processes[0].health_check.as_deref(), Some("true"));
        let one = resolve(&json!({ "install": "npm ci" })).expect("a pod");
        assert_eq!(one.install, ["npm ci"]);
    }

    #[test]
    fn processes_of_one_name_are_refused() {
        let process = json!({ "name": "a", "startCommand": "b" });
        assert_eq!(
            error(&json!({ "processes": [process, process] })),
            "pods.config processes[1].name: \"a\" is already the name of processes[0]; give each \
             process a name of its own"
        );
    }

    #[test]
    fn unknown_names_are_told_the_known_ones() {
        assert_eq!(
            error(&json!({ "template": "vite" })),
            "pods.config template: there is no template named \"vite\"; known templates: none"
        );
        assert_eq!(
            error(&json!({ "services": ["x"] })),
            "pods.config services[0]: there is no service named \"x\"; known services: none"
        );
        assert!(
            error(&json!({ "tier": "huge" })).ends_with("known tiers: dev.small, dev.medium, dev.large, dev.xlarge")
        );
    }

    #[test]
    fn a_config_is_an_object() {
        for config in [json!([]), json!(null), json!("{}")] {
            assert_eq!(
                error(&config),
                r#"pods.config: the config must be an object, such as {} or {"tier": "dev.small"}"#
            );
        }
    }

    /// JSON with the config's keys at all levels, so that it is wrong in many ways.
    fn nearly_a_config() -> impl Strategy<Value = Value> {
        const WORDS: [&str; 24] = [
            "template",
            "tier",
            "baseImage",
            "services",
            "environment",
            "ports",
            "hooks",
            "repository",
            "install",
            "processes",
            "name",
            "internal",
            "protocol",
            "preStart",
            "postStart",
            "url",
            "branch",
            "startCommand",
            "healthCheck",
            "dev.small",
            "tcp",
            "git@h:r",
            "",
            "\0",
        ];
        let word = prop::sample::select(&WORDS[..]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            prop_oneof![Just(80), Just(3000), any::<i64>()].prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        let key = prop::sample::select(&WORDS[..10]).prop_map(str::to_owned);
        prop::collection::hash_map(key, value, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn any_json_gets_a_pod_or_a_reason(config in nearly_a_config()) {
            if let Err(error) = resolve(&config) {
                prop_assert!(!error.path.is_empty() && !error.message.is_empty());
                prop_assert!(!error.to_string().contains(char::is_control), "{error}");
                // The beginning of the path is a key of the config.
                let key = error.path.split(['.', '[']).next().unwrap_or_default();
                prop_assert!(config.get(key).is_some(), "{error}");
            }
        }

        #[test]
        fn any_text_arrives_as_written(value in "[^\0]*", command in "x[^\0]*") {
            let config = json!({ "environment": { "A": value }, "install": command });
            let spec = resolve(&config).expect("a pod");
            prop_assert_eq!(&spec.environment["A"], &value);
            prop_assert_eq!(&spec.install, &[command]);
        }
    }
}
