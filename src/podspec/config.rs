//! The keys of `pods.config`.
//!
//! Every key is optional, and `null` means the same as a missing key. A missing key differs from an empty value,
//! because the repository's own file and the template fill in only missing keys. The types here check single values;
//! `resolve` checks the rules that take several.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    address::{Branch, RepositoryUrl},
    shape::{Described, MAX_ENTRIES, Object, OneOrMany, bounded},
    text::{EnvName, EnvValue, ImageName, Label, ProcessName, Script},
    tier,
};

/// What a pod is made from. All keys are optional.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PodConfig {
    /// The name of a template, which fills in what is left out here.
    pub template: Option<String>,
    /// How much of the host the pod may use; `dev.small` if left out.
    #[serde(default)]
    #[schemars(schema_with = "tier::schema")]
    pub tier: Option<String>,
    /// The image the pod's container is made from; `pinacledev/pinacle-base` if left out.
    pub base_image: Option<ImageName>,
    /// The names of the services that run in the pod.
    #[serde(default, deserialize_with = "bounded")]
    #[schemars(length(max = MAX_ENTRIES))]
    pub services: Option<Vec<String>>,
    /// Environment variables of everything that runs in the pod.
    pub environment: Option<BTreeMap<EnvName, EnvValue>>,
    /// The ports that something in the pod listens on.
    #[serde(default, deserialize_with = "bounded")]
    #[schemars(length(max = MAX_ENTRIES))]
    pub ports: Option<Vec<Object<PortConfig>>>,
    /// Commands to run at certain moments of the pod's life.
    pub hooks: Option<Object<HooksConfig>>,
    /// The repository that is cloned into the pod.
    pub repository: Option<Object<RepositoryConfig>>,
    /// The command, or commands, that install what the project needs.
    pub install: Option<OneOrMany<Script>>,
    /// What runs in the pod besides the services.
    #[serde(default, deserialize_with = "bounded")]
    #[schemars(length(max = MAX_ENTRIES))]
    pub processes: Option<Vec<Object<ProcessConfig>>>,
}

impl PodConfig {
    /// Fills in missing keys from `under`; in the environment and the hooks, key by key.
    pub(super) fn over(self, under: Self) -> Self {
        let (hooks, hooks_under) = (self.hooks.map(|Object(hooks)| hooks), under.hooks.map(|Object(hooks)| hooks));
        Self {
            template: self.template.or(under.template),
            tier: self.tier.or(under.tier),
            base_image: self.base_image.or(under.base_image),
            services: self.services.or(under.services),
            environment: merged(self.environment, under.environment, |mut ours, theirs| {
                for (name, value) in theirs {
                    ours.entry(name).or_insert(value);
                }
                ours
            }),
            ports: self.ports.or(under.ports),
            hooks: merged(hooks, hooks_under, |ours, theirs| HooksConfig {
                pre_start: ours.pre_start.or(theirs.pre_start),
                post_start: ours.post_start.or(theirs.post_start),
            })
            .map(Object),
            repository: self.repository.or(under.repository),
            install: self.install.or(under.install),
            processes: self.processes.or(under.processes),
        }
    }
}

fn merged<T>(ours: Option<T>, theirs: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(both(ours, theirs)),
        (ours, theirs) => ours.or(theirs),
    }
}

/// A port that something in the pod listens on.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PortConfig {
    /// The port's name; no two ports of a pod have the same one.
    pub name: Label,
    /// The number of the port inside the pod.
    pub internal: Port,
    /// `tcp` if left out.
    pub protocol: Option<Protocol>,
}

impl Described for PortConfig {
    const WHAT: &'static str = r#"an object like {"name": "web", "internal": 3000}"#;
}

/// Commands to run at certain moments of the pod's life, in their order.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HooksConfig {
    /// Before the services start.
    #[serde(default, deserialize_with = "bounded")]
    #[schemars(length(max = MAX_ENTRIES))]
    pub pre_start: Option<Vec<Script>>,
    /// When the pod is healthy.
    #[serde(default, deserialize_with = "bounded")]
    #[schemars(length(max = MAX_ENTRIES))]
    pub post_start: Option<Vec<Script>>,
}

impl Described for HooksConfig {
    const WHAT: &'static str = r#"an object like {"postStart": ["echo ready"]}"#;
}

/// A repository. A deploy key does not belong here: it is a secret of the pod.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RepositoryConfig {
    pub url: RepositoryUrl,
    /// The branch to clone; the repository's own default if left out.
    pub branch: Option<Branch>,
}

impl Described for RepositoryConfig {
    const WHAT: &'static str = r#"an object like {"url": "https://example.com/team/project.git"}"#;
}

/// A process that is kept running in the pod.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ProcessConfig {
    /// No two processes have the same name.
    pub name: ProcessName,
    /// The command that starts it.
    pub start_command: Script,
    /// Where a browser finds it.
    pub url: Option<Label>,
    /// A command that succeeds when the process is healthy.
    pub health_check: Option<Script>,
}

impl Described for ProcessConfig {
    const WHAT: &'static str = r#"an object like {"name": "web", "startCommand": "npm run dev"}"#;
}

/// The number of a port.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "serde_json::Value")]
#[schemars(with = "u16", extend("minimum" = 1, "maximum" = 65535))]
pub(super) struct Port(pub u16);

impl TryFrom<serde_json::Value> for Port {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        use serde_json::Value;
        let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
        if let Some(number @ 1..) = number {
            return Ok(Self(number));
        }
        let given = match value {
            Value::Number(number) => number.to_string(),
            Value::String(_) => "a string".to_owned(),
            Value::Bool(_) => "true or false".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        Err(format!("{given} is not a port; use a number from 1 to 65535"))
    }
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("enum" = ["tcp", "udp"]))]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl TryFrom<String> for Protocol {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => {
                let name = super::error::quote(&name);
                Err(format!("{name} is not a protocol; use \"tcp\" or \"udp\""))
            }
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::podspec::tests::resolve;

    fn error(config: &serde_json::Value) -> String {
        resolve(config).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_port_is_a_whole_number_in_range() {
        for (value, given) in [
            (json!(0), "0"),
            (json!(65536), "65536"),
            (json!(-1), "-1"),
            (json!(80.5), "80.5"),
            (json!("80"), "a string"),
            (json!(null), "null"),
            (json!([80]), "a list"),
        ] {
            let error = Port::try_from(value).err().unwrap_or_default();
            assert_eq!(error, format!("{given} is not a port; use a number from 1 to 65535"));
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_its_path() {
        for (config, expected) in [
            (json!({ "ports": {} }), "ports: an object is not allowed here; use a list"),
            (
                json!({ "ports": [["a", 1]] }),
                r#"ports[0]: a list is not allowed here; use an object like {"name": "web", "internal": 3000}"#,
            ),
            (json!({ "services": vec!["redis"; 51] }), "services: the list has 51 entries; leave no more than 50"),
            (json!({ "install": vec!["true"; 51] }), "install: the list has 51 entries; leave no more than 50"),
            (
                json!({ "environment": { "A": "x".repeat(65537) } }),
                "environment.A: the text has 65537 bytes; leave no more than 65536 (64 KiB)",
            ),
            (json!({ "ports": [{ "name": "a" }] }), r#"ports[0]: the key "internal" is missing and has no default"#),
            (
                json!({ "ports": [{ "name": "a", "internal": 0 }] }),
                "ports[0].internal: 0 is not a port; use a number from 1 to 65535",
            ),
            (json!({ "ports": [{ "name": " ", "internal": 1 }] }), "ports[0].name: the text is empty; write one"),
            (
                json!({ "ports": [{ "name": "a", "internal": 1, "protocol": "sctp" }] }),
                r#"ports[0].protocol: "sctp" is not a protocol; use "tcp" or "udp""#,
            ),
            (json!({ "install": ["a", 5] }), "install[1]: a number is not allowed here; use a string"),
            (
                json!({ "install": { "a": 5 } }),
                "install: an object is not allowed here; use a string or a list of strings",
            ),
            (json!({ "install": "" }), "install: the command is empty; write one, or leave it out"),
            (
                json!({ "hooks": { "preStart": ["a", "b\0"] } }),
                "hooks.preStart[1]: there is a NUL character in it; leave it out",
            ),
            (
                json!({ "processes": [{ "name": "a", "startCommand": ["b"] }] }),
                "processes[0].startCommand: a list is not allowed here; use a string",
            ),
        ] {
            assert_eq!(error(&config), format!("pods.config {expected}"));
        }
        let error = error(&json!({ "processes": [{ "name": "A", "startCommand": "b" }] }));
        assert!(error.starts_with(r#"pods.config processes[0].name: "A" is not"#), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused_with_their_path() {
        assert_eq!(
            error(&json!({ "hooks": { "after": [] } })),
            "pods.config hooks.after: there is no key of this name; known keys: preStart, postStart"
        );
        assert_eq!(
            error(&json!({ "a b\n": 1 })),
            r#"pods.config ["a b\n"]: there is no key of this name; known keys: template, tier, "#.to_owned()
                + "baseImage, services, environment, ports, hooks, repository, install, processes"
        );
    }

    #[test]
    fn values_that_may_be_secret_are_not_repeated() {
        for (config, expected) in [
            (
                json!({ "environment": { "A": 12_345_678 } }),
                "environment.A: a number is not allowed here; use a string",
            ),
            (json!({ "environment": { "A": "\0" } }), "environment.A: there is a NUL character in it; leave it out"),
            (
                json!({ "environment": { "1 A": "hunter22" } }),
                r#"environment["1 A"]: "1 A" is not a name for a variable; use letters, digits and _, and begin with no digit"#,
            ),
            (json!({ "environment": ["A=hunter22"] }), "environment: a list is not allowed here; use an object"),
            (
                json!({ "repository": "https://u:hunter22@h/r" }),
                r#"repository: a string is not allowed here; use an object like {"url": "https://example.com/team/project.git"}"#,
            ),
        ] {
            assert_eq!(error(&config), format!("pods.config {expected}"));
        }
        let error = error(&json!({ "repository": { "url": "https://u:hunter22/@h/r" } }));
        assert!(error.starts_with("pods.config repository.url: ") && !error.contains("hunter22"));
    }

    proptest! {
        #[test]
        fn every_number_in_range_is_a_port(number in 1..=u16::MAX) {
            prop_assert!(Port::try_from(json!(number)) == Ok(Port(number)));
        }
    }
}
