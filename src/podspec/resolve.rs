//! The rules that take more than one value, and the defaults.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ServiceTemplate,
    catalog::Catalog,
    config::{PodConfig, RepositoryConfig},
    error::{SpecError, no_such},
    pod::{self, MachineSpec, PodSpec, ProjectSpec},
    ports, processes, project,
    repository::Repository,
    shape::Object,
    template::PodTemplate,
    tier,
};

/// The image of a pod whose config names none.
pub const DEFAULT_IMAGE: &str = "pinacledev/pinacle-base";

/// Makes a [`PodSpec`] from the JSON in `pods.config`.
///
/// # Errors
///
/// The first thing that is wrong with the config, with its path.
pub fn resolve(config: &Value, catalog: &Catalog) -> Result<PodSpec, SpecError> {
    settle(read(config)?, PodConfig::default(), catalog)
}

/// Like [`resolve`], with the text of the repository's own `pinacle.yaml`; also returns what of the file was left out.
/// `is_secret` says whether a variable is a secret of the pod.
///
/// # Errors
///
/// The first thing that is wrong with the config, with its path.
pub fn resolve_project(
    config: &Value,
    project: &str,
    catalog: &Catalog,
    is_secret: impl Fn(&str) -> bool,
) -> Result<(ProjectSpec, Vec<SpecError>), SpecError> {
    let (config, mut project) = (read(config)?, project::read(project));
    let variables = config.clone().over(project.config.clone()).environment.unwrap_or_default();
    let is_set =
        |name: &str| variables.iter().any(|(set, value)| &**set == name && !value.is_empty()) || is_secret(name);
    project.keep_what_is_known(catalog, is_set);
    Ok((settle(config, project.config, catalog)?.project, project.notices))
}

/// The values in a config that must never be shown, even where the config has other errors.
///
/// # Errors
///
/// The first error that keeps the config from being read at all.
pub fn secrets(config: &Value) -> Result<Vec<String>, SpecError> {
    let config = read(config)?;
    Ok(pod::secrets(&environment(config.environment.unwrap_or_default()), repository(config.repository).as_ref()))
}

fn read(config: &Value) -> Result<PodConfig, SpecError> {
    if !config.is_object() {
        let message = r#"the config must be an object, such as {} or {"tier": "dev.small"}"#;
        return Err(SpecError::new("", message));
    }
    Ok(serde_path_to_error::deserialize(config)?)
}

/// Merges the pod's config, the project, the template and the defaults; the first that has a key wins.
fn settle(config: PodConfig, project: PodConfig, catalog: &Catalog) -> Result<PodSpec, SpecError> {
    let template = match config.template.as_ref().or(project.template.as_ref()) {
        Some(name) => {
            let found = catalog.template(name);
            Some(found.ok_or_else(|| no_such("template", "template", name, &catalog.template_names()))?)
        }
        None => None,
    };
    let mut under = template.map(|template| template.config.clone()).unwrap_or_default();
    if config.template.is_none() {
        // The container exists before the template that the file names is known.
        (under.tier, under.base_image) = (None, None);
    }
    let config = config.over(project);
    // They belong to the template's `install`, so an `install` in the config replaces them, too.
    let dependencies = template.filter(|_| config.install.is_none()).and_then(|template| template.dependencies);
    let config = config.over(under);
    let services = services(&config.services.unwrap_or_default(), catalog)?;
    let hooks = config.hooks.map(|Object(hooks)| hooks).unwrap_or_default();
    let machine = MachineSpec {
        tier: tier::find(config.tier.as_deref())?,
        base_image: config.base_image.map_or_else(|| DEFAULT_IMAGE.to_owned(), String::from),
        repository: repository(config.repository),
    };
    let project = ProjectSpec {
        required_environment: required(template, &services),
        services,
        environment: environment(config.environment.unwrap_or_default()),
        ports: ports::resolve(config.ports.unwrap_or_default())?,
        pre_start: strings(hooks.pre_start.unwrap_or_default()),
        post_start: strings(hooks.post_start.unwrap_or_default()),
        install: strings(config.install.map(|install| install.0).unwrap_or_default()),
        dependencies,
        processes: processes::resolve(config.processes.unwrap_or_default())?,
    };
    Ok(PodSpec { machine, project })
}

/// Looks up the services, and checks that no two listen on the same port.
fn services(names: &[String], catalog: &Catalog) -> Result<Vec<ServiceTemplate>, SpecError> {
    let mut services: Vec<ServiceTemplate> = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let path = format!("services[{index}]");
        let Some(service) = catalog.service(name) else {
            return Err(no_such(path, "service", name, &catalog.service_names()));
        };
        if let Some(other) = services.iter().find(|other| other.default_port == service.default_port) {
            let (name, other, port) = (service.name(), other.name(), service.default_port);
            let message = format!("{name} listens on port {port}, as {other} does; keep one of them");
            return Err(SpecError::new(path, message));
        }
        services.push(service.clone());
    }
    Ok(services)
}

/// The variables that must be set, each with what needs it.
fn required(template: Option<&PodTemplate>, services: &[ServiceTemplate]) -> Vec<(String, String)> {
    let of_template = template.iter().flat_map(|template| {
        let needs = format!("the template {}", &*template.name);
        template.required_environment.iter().map(move |name| ((**name).to_owned(), needs.clone()))
    });
    let of_services = services.iter().flat_map(|service| {
        let needs = format!("the service {}", service.name());
        service.required_environment().map(move |name| (name.to_owned(), needs.clone()))
    });
    of_template.chain(of_services).collect()
}

fn strings(texts: Vec<impl Into<String>>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

fn repository(config: Option<Object<RepositoryConfig>>) -> Option<Repository> {
    config.map(|Object(repository)| Repository {
        url: repository.url.into(),
        branch: repository.branch.map(String::from),
    })
}

fn environment(variables: BTreeMap<impl Into<String>, impl Into<String>>) -> BTreeMap<String, String> {
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::podspec::tests::resolve;

    fn error(config: &Value) -> String {
        resolve(config).expect_err("a config that is wrong").to_string()
    }

    #[test]
    fn an_empty_config_gets_the_defaults() {
        let spec = resolve(&json!({})).expect("a pod");
        assert_eq!(spec.machine.tier.name, "dev.small");
        assert_eq!(spec.machine.base_image, "pinacledev/pinacle-base");
        assert_eq!(spec.machine.project_dir(), "/workspace");
        assert!(
            spec.project.environment.is_empty() && spec.project.ports.is_empty() && spec.project.processes.is_empty()
        );
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
        assert_eq!((spec.machine.tier.cpu_cores.to_string(), spec.machine.tier.memory_mb), ("2".into(), 4096));
        assert_eq!(spec.machine.base_image, "debian:12");
        assert_eq!(spec.project.environment["A"], hostile);
        let ports: Vec<String> =
            spec.project.ports.iter().map(|p| format!("{} {}/{}", p.name, p.internal, p.protocol)).collect();
        assert_eq!(ports, ["web 3000/tcp", "dns 3000/udp", "dns 2 80/udp"]);
        assert_eq!(
            (&*spec.project.pre_start, &*spec.project.post_start),
            (&[hostile.into()][..], &["a".into(), "b".into()][..])
        );
        assert_eq!(spec.machine.project_dir(), "/workspace/r");
        assert_eq!(spec.project.install, ["npm ci", hostile]);
        assert_eq!(spec.project.processes[0].start_command, hostile);
        assert_eq!(spec.project.processes[0].health_check.as_deref(), Some("true"));
        let one = resolve(&json!({ "install": "npm ci" })).expect("a pod");
        assert_eq!(one.project.install, ["npm ci"]);
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
    fn an_unknown_name_lists_the_known_ones() {
        assert_eq!(
            error(&json!({ "template": "vim" })),
            "pods.config template: there is no template named \"vim\"; known templates: custom, mastra-ai, nextjs, \
             nodejs, python, vite"
        );
        assert_eq!(
            error(&json!({ "services": ["x"] })),
            "pods.config services[0]: there is no service named \"x\"; known services: claude-code, code-server, \
             jupyter, postgres, redis, vibe-kanban, web-terminal"
        );
        assert!(
            error(&json!({ "tier": "huge" })).ends_with("known tiers: dev.small, dev.medium, dev.large, dev.xlarge")
        );
    }

    #[test]
    fn a_service_is_named_once() {
        assert_eq!(
            error(&json!({ "services": ["redis", "postgres", "redis"] })),
            "pods.config services[2]: redis listens on port 6379, as redis does; keep one of them"
        );
    }

    #[test]
    fn what_a_service_or_a_template_needs_may_come_from_the_environment_or_the_secrets() {
        let folder = tempfile::tempdir().expect("a folder");
        let template = "name = 'agent'\ndescription = 'An agent'\ndefault_port = 9000\nstart = 'exec agent'\n\
            required_environment = ['AGENT_KEY']\nhealth = { command = 'true', timeout_seconds = 5 }\n";
        std::fs::write(folder.path().join("agent.toml"), template).expect("a file");
        let catalog = Catalog::load(Some(folder.path())).expect("a catalog");
        let missing = |config: Value, secrets: &[&str]| {
            let spec = super::resolve(&config, &catalog).expect("a pod");
            spec.project.check_environment(|name| secrets.contains(&name)).map_err(|error| error.to_string())
        };
        let agent = json!({ "services": ["agent"] });
        assert_eq!(
            missing(agent.clone(), &["OTHER"]).unwrap_err(),
            "pods.config environment: the service agent needs AGENT_KEY; set it here, or as a secret of the pod"
        );
        assert_eq!(missing(agent, &["AGENT_KEY"]), Ok(()));
        let set = json!({ "template": "mastra-ai", "environment": { "OPENAI_API_KEY": "sk" } });
        assert_eq!(missing(set, &[]), Ok(()));
        let empty = json!({ "template": "mastra-ai", "environment": { "OPENAI_API_KEY": "" } });
        assert!(missing(empty, &[]).unwrap_err().contains("the template mastra-ai needs OPENAI_API_KEY"));
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

    proptest! {
        #[test]
        fn any_text_arrives_as_written(value in "[^\0]*", command in "x[^\0]*") {
            let config = json!({ "environment": { "A": value }, "install": command });
            let spec = resolve(&config).expect("a pod");
            prop_assert_eq!(&spec.project.environment["A"], &value);
            prop_assert_eq!(&spec.project.install, &[command]);
        }
    }
}
