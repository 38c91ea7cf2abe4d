//! `pinacle.yaml`, a repository's own description of how it is developed. Its values fill in what the pod's config
//! leaves out.
//!
//! The file was not written for this pod, so it is advice: known values are used, and each unknown one is left out on
//! its own, with a sentence for the user. No sentence repeats a value of the file, because it may be a secret.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    ServiceTemplate,
    catalog::Catalog,
    config::{HooksConfig, PodConfig, PortConfig, ProcessConfig},
    error::{SpecError, key_path},
    ports, processes,
    shape::{MAX_ENTRIES, Object, OneOrMany},
    text::{EnvName, EnvValue, Script},
};

/// The largest file, in bytes: far more than a person writes, far less than the size at which an output is cut.
pub const PROJECT_FILE_LIMIT: usize = 256 * 1024;

/// The file's name in sentences for users.
const NAME: &str = "pinacle.yaml";

/// Keys for the web app, and keys of the container, which exists before the repository is cloned. They are allowed and
/// ignored.
const NOT_OURS: [&str; 7] = ["version", "name", "description", "tabs", "tier", "baseImage", "repository"];
const OURS: &str = "template, services, environment, ports, hooks, install, processes";

/// Keys that an entry can do without.
const SPARE: [&str; 2] = ["url", "healthCheck"];

/// The values of the file, and what was left out of it.
#[derive(Default)]
pub(super) struct Project {
    pub(super) config: PodConfig,
    pub(super) notices: Vec<SpecError>,
}

pub(super) fn read(text: &str) -> Project {
    let mut project = Project::default();
    if text.len() > PROJECT_FILE_LIMIT {
        project.leave_out("", format!("it is larger than {PROJECT_FILE_LIMIT} bytes; shorten it"));
        return project;
    }
    if text.trim().is_empty() {
        return project;
    }
    match serde_saphyr::from_str(text) {
        Ok(Value::Object(keys)) => project.read_keys(keys),
        Ok(Value::Null) => {}
        Ok(_) => project.leave_out("", "it must hold keys and values, such as `install: pnpm install`"),
        Err(error) => project.leave_out("", format!("it is not valid YAML: {}", place(&error))),
    }
    project
}

/// The place where the YAML is invalid. It repeats no text of the file, which may hold secrets.
fn place(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(location) => format!("see line {}, column {}", location.line(), location.column()),
        None => "see what a YAML checker says".to_owned(),
    }
}

impl Project {
    fn leave_out(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.notices.push(SpecError::new(path, message).in_file(NAME));
    }

    fn read_keys(&mut self, keys: Map<String, Value>) {
        for (key, value) in keys {
            if value.is_null() {
                continue;
            }
            match &*key {
                "template" => self.config.template = self.one("template", value),
                "services" => self.config.services = self.list("services", value),
                "environment" => self.config.environment = self.variables(value),
                "ports" => self.config.ports = self.ports(value),
                "hooks" => self.config.hooks = self.hooks(value).map(Object),
                "install" => self.config.install = self.install(value),
                "processes" => self.config.processes = self.processes(value),
                key if NOT_OURS.contains(&key) => {}
                key => {
                    self.leave_out(key_path("", key), format!("there is no key of this name; known keys: {OURS}"));
                }
            }
        }
    }

    /// Reads a value, or leaves it out as a whole. Of an object, unknown keys and those in [`SPARE`] are left out
    /// alone.
    fn one<T: DeserializeOwned>(&mut self, path: &str, mut value: Value) -> Option<T> {
        loop {
            let error = match serde_path_to_error::deserialize(value.clone()) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let key = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
            let is_unknown = error.inner().to_string().starts_with("unknown field ");
            let error = SpecError::from(error);
            let message = advice(path, &key).map_or(error.message, str::to_owned);
            let whole = match &*error.path {
                "" => path.to_owned(),
                below if below.starts_with('[') => format!("{path}{below}"),
                below => format!("{path}.{below}"),
            };
            self.leave_out(whole, message);
            let spare = is_unknown || SPARE.contains(&&*key);
            value.as_object_mut().filter(|_| spare)?.remove(&key)?;
        }
    }

    /// Reads the entries of a list, each with its index in the file.
    fn entries<T: DeserializeOwned>(&mut self, path: &str, value: Value) -> Option<Vec<(usize, T)>> {
        let list: Vec<Value> = self.one(path, value)?;
        if list.len() > MAX_ENTRIES {
            let message = format!("the list has {} entries; the first {MAX_ENTRIES} are used", list.len());
            self.leave_out(path, message);
        }
        let entries = list.into_iter().take(MAX_ENTRIES).enumerate();
        Some(
            entries.filter_map(|(index, entry)| Some((index, self.one(&format!("{path}[{index}]"), entry)?))).collect(),
        )
    }

    fn list<T: DeserializeOwned>(&mut self, path: &str, value: Value) -> Option<Vec<T>> {
        Some(self.entries(path, value)?.into_iter().map(|(_, entry)| entry).collect())
    }

    fn variables(&mut self, value: Value) -> Option<BTreeMap<EnvName, EnvValue>> {
        let mut variables = BTreeMap::new();
        for (name, value) in self.one::<Map<String, Value>>("environment", value)? {
            let path = key_path("environment", &name);
            // `PORT: 3000` has one meaning, but `VERSION: 3.10` was read as 3.1.
            let value = match value {
                Value::Bool(_) => Value::String(value.to_string()),
                Value::Number(number) if !number.is_f64() => Value::String(number.to_string()),
                other => other,
            };
            if let Some(name) = self.one(&path, Value::String(name))
                && let Some(value) = self.one(&path, value)
            {
                variables.insert(name, value);
            }
        }
        Some(variables)
    }

    fn ports(&mut self, value: Value) -> Option<Vec<Object<PortConfig>>> {
        let message = "its name or its number belongs to another, or to the pod's own nginx; choose others";
        self.side_by_side("ports", "", value, |ports| ports::resolve(ports).is_ok(), message)
    }

    /// Reads a list and leaves out each entry that `is_valid` refuses together with those before it. `below` is the
    /// path of the wrong key in such an entry.
    fn side_by_side<T: Clone + DeserializeOwned>(
        &mut self,
        path: &str,
        below: &str,
        value: Value,
        is_valid: impl Fn(Vec<T>) -> bool,
        message: &str,
    ) -> Option<Vec<T>> {
        let mut kept = Vec::new();
        for (index, entry) in self.entries(path, value)? {
            kept.push(entry);
            if !is_valid(kept.clone()) {
                kept.pop();
                self.leave_out(format!("{path}[{index}]{below}"), message);
            }
        }
        Some(kept)
    }

    fn hooks(&mut self, value: Value) -> Option<HooksConfig> {
        let mut hooks = HooksConfig::default();
        for (key, value) in self.one::<Map<String, Value>>("hooks", value)? {
            let path = key_path("hooks", &key);
            match &*key {
                _ if value.is_null() => {}
                "preStart" => hooks.pre_start = self.list::<Script>(&path, value),
                "postStart" => hooks.post_start = self.list::<Script>(&path, value),
                _ => self.leave_out(path, "there is no key of this name; known keys: preStart, postStart"),
            }
        }
        Some(hooks)
    }

    fn install(&mut self, value: Value) -> Option<OneOrMany<Script>> {
        if value.is_array() {
            return Some(OneOrMany(self.list("install", value)?));
        }
        self.one("install", value)
    }

    fn processes(&mut self, value: Value) -> Option<Vec<Object<ProcessConfig>>> {
        let message = "another process has this name; give each process a name of its own";
        self.side_by_side("processes", ".name", value, |processes| processes::resolve(processes).is_ok(), message)
    }

    /// Leaves out the template and the services that this installation does not have, or that lack a variable they
    /// need.
    pub(super) fn keep_what_is_known(&mut self, catalog: &Catalog, is_set: impl Fn(&str) -> bool) {
        let lacking = |name: &str| format!("it needs {name}; set it under environment, or as a secret of the pod");
        if let Some(name) = self.config.template.take() {
            match catalog.template(&name) {
                None => {
                    let known = catalog.template_names().join(", ");
                    self.leave_out("template", format!("there is no template of this name; known templates: {known}"));
                }
                Some(template) => match template.required_environment.iter().find(|name| !is_set(name)) {
                    Some(variable) => self.leave_out("template", lacking(variable)),
                    None => self.config.template = Some(name),
                },
            }
        }
        let Some(names) = self.config.services.take() else { return };
        let mut kept: Vec<&ServiceTemplate> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let path = format!("services[{index}]");
            let Some(service) = catalog.service(name) else {
                let known = catalog.service_names().join(", ");
                self.leave_out(path, format!("there is no service of this name; known services: {known}"));
                continue;
            };
            if kept.iter().any(|other| other.default_port == service.default_port) {
                self.leave_out(path, "it listens on the port of another in the list; keep one of them");
            } else if let Some(variable) = service.required_environment().find(|name| !is_set(name)) {
                self.leave_out(path, lacking(variable));
            } else {
                kept.push(service);
            }
        }
        self.config.services = Some(kept.into_iter().map(|service| service.name().to_owned()).collect());
    }
}

/// The sentence in place of one that would repeat the value.
fn advice(path: &str, key: &str) -> Option<&'static str> {
    match (path.split('[').next()?, key) {
        ("ports", "internal") => Some("this is not a port; use a number from 1 to 65535"),
        ("ports", "protocol") => Some("this is not a protocol; use \"tcp\" or \"udp\""),
        ("processes", "name") => Some(
            "this is not a name for a process; use up to 32 small letters, digits, _ and -, and begin with a letter or digit",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::podspec::{Catalog, Dependencies, PROJECT_FILE_LIMIT, ProjectSpec, resolve_project};

    fn resolve(config: &serde_json::Value, text: &str) -> (ProjectSpec, Vec<String>) {
        let catalog = Catalog::load(None).expect("the catalog");
        let (spec, notices) = resolve_project(config, text, &catalog, |_| false).expect("a pod");
        (spec, notices.iter().map(ToString::to_string).collect())
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
        let (spec, notices) = resolve(&config, text);
        assert_eq!(notices, [] as [&str; 0]);
        assert_eq!((&spec.install[..], spec.dependencies), (&["one".to_owned(), "two".to_owned()][..], None));
        let environment: Vec<_> = spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(environment, ["A=config", "B=config", "C=file", "NODE_ENV=file"]);
        assert_eq!((&*spec.pre_start, &*spec.post_start), (&["config".into()][..], &["file".into()][..]));
        assert_eq!(spec.processes[0].name, "app", "the template's");
    }

    #[test]
    fn a_file_that_says_nothing_changes_nothing() {
        let config = json!({ "template": "python" });
        for text in ["", "\n", "# only a comment\n", "{}", "null"] {
            let (spec, notices) = resolve(&config, text);
            assert!(spec.dependencies == Some(Dependencies::Python) && notices.is_empty(), "{text:?}: {notices:?}");
        }
    }

    #[test]
    fn each_thing_that_is_unknown_is_left_out_alone_and_nothing_of_it_repeated() {
        for (text, says) in [
            ("install: 5", "install: a number is not allowed here; use a string or a list of strings"),
            ("install: [5]", "install[0]: a number is not allowed here; use a string"),
            ("instal: hunter22", "instal: there is no key of this name; known keys: template, services, "),
            ("template: hunter22", "template: there is no template of this name; known templates: custom, "),
            ("template: mastra-ai", "template: it needs OPENAI_API_KEY; set it under environment, or "),
            ("services: redis", "services: a string is not allowed here; use a list"),
            ("services: [hunter22]", "services[0]: there is no service of this name; known services: claude-code, "),
            ("services: [redis, redis]", "services[1]: it listens on the port of another in the list"),
            ("environment: [A=hunter22]", "environment: a list is not allowed here; use an object"),
            ("environment: {A: 1234.5678}", "environment.A: a number is not allowed here; use a string"),
            ("environment: {A-B: hunter22}", "environment.A-B: \"A-B\" is not a name for a variable"),
            ("ports: [{name: a, internal: 99999}]", "ports[0].internal: this is not a port; use a number from 1 to"),
            ("ports: [{name: a, internal: 1, protocol: hunter22}]", "ports[0].protocol: this is not a protocol; use"),
            ("ports: [{name: hunter22, internal: 80}]", "ports[0]: its name or its number belongs to another, or"),
            ("hooks: {preStart: hunter22}", "hooks.preStart: a string is not allowed here; use a list"),
            ("hooks: {after: []}", "hooks.after: there is no key of this name; known keys: preStart, postStart"),
            ("processes: [{name: Hunter22}]", "processes[0].name: this is not a name for a process; use up to 32"),
            ("processes: [{name: a}]", "processes[0]: the key \"startCommand\" is missing and has no default"),
            ("- a", "it must hold keys and values"),
            ("environment: {A: [hunter22}", "it is not valid YAML: see line 1"),
            ("environment: {A: hunter22, A: hunter22}", "it is not valid YAML: see line 1"),
        ] {
            let (spec, notices) = resolve(&json!({}), text);
            let [notice] = &notices[..] else { panic!("{text}: {notices:?}") };
            let sentence = notice.trim_start_matches("pinacle.yaml").trim_start_matches([':', ' ']);
            assert!(sentence.starts_with(says) && !notice.to_lowercase().contains("hunter22"), "{text}: {notice}");
            assert!(spec.environment.is_empty() && spec.ports.is_empty() && spec.processes.is_empty(), "{text}");
        }
    }

    #[test]
    fn the_rest_of_the_file_is_used() {
        let text = "services: [nope, redis, redis]\ninstall: [one, 2, three]\nnonsense: 1\n\
            environment: {A: a, B: 3.10, C-D: c, E: 3000}\nhooks: {preStart: [a, 2], after: x}\n\
            ports: [{name: a, internal: 0}, {name: b, internal: 3000}, {name: c, internal: 3000}]\n\
            processes:\n- {name: A, startCommand: a}\n- {name: b, startCommand: b, restart: always, url: 5}\n\
            - {name: b, startCommand: c}\n- {name: d, startCommand: d}\n";
        let (spec, notices) = resolve(&json!({}), text);
        let paths = notices.iter().map(|notice| notice.trim_start_matches("pinacle.yaml ").split(": ").next());
        let paths: std::collections::BTreeSet<_> = paths.flatten().collect();
        let expected = "environment.B environment.C-D hooks.after hooks.preStart[1] install[1] nonsense ports[0].internal \
            ports[2] processes[0].name processes[1].restart processes[1].url processes[2].name services[0] services[2]";
        assert_eq!(paths.into_iter().collect::<Vec<_>>().join(" "), expected);
        assert_eq!(spec.services.iter().map(super::ServiceTemplate::name).collect::<Vec<_>>(), ["redis"]);
        assert_eq!(spec.install, ["one", "three"]);
        assert_eq!(spec.environment.keys().collect::<Vec<_>>(), ["A", "E"]);
        assert_eq!(spec.environment["E"], "3000");
        assert_eq!(spec.pre_start, ["a"]);
        assert_eq!(spec.ports.iter().map(|port| &*port.name).collect::<Vec<_>>(), ["b"]);
        assert_eq!(spec.processes.iter().map(|process| &*process.name).collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn a_template_fills_in_all_but_what_the_container_is_made_from() {
        let (spec, notices) = resolve(&json!({}), "template: vite\nservices: []\n");
        assert_eq!((spec.services.len(), notices.len()), (0, 0));
        assert_eq!(spec.processes[0].name, "app");
        let (spec, _) = resolve(&json!({ "template": "custom" }), "template: vite");
        assert!(spec.processes.is_empty(), "the config names another");
    }

    #[test]
    fn a_file_or_a_list_that_is_too_long_is_reported() {
        let (_, notices) = resolve(&json!({}), &"# x\n".repeat(PROJECT_FILE_LIMIT));
        assert_eq!(notices, ["pinacle.yaml: it is larger than 262144 bytes; shorten it"]);
        let (spec, notices) = resolve(&json!({}), &format!("install: [{}]", ["\"true\""; 51].join(", ")));
        assert_eq!(notices, ["pinacle.yaml install: the list has 51 entries; the first 50 are used"]);
        assert_eq!(spec.install.len(), 50);
    }

    #[test]
    fn a_file_made_to_explode_is_left_out() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in "bcdefghi".chars().zip("abcdefgh".chars()) {
            let nine = vec![format!("*{of}"); 9].join(", ");
            text.extend([name.to_string(), format!(": &{name} [{nine}]\n")]);
        }
        assert!(resolve(&json!({}), &text).1[0].starts_with("pinacle.yaml: it is not valid YAML: "));
    }
}
