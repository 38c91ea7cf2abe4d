//! Turns `pods.config`, which anyone may have written, into a checked [`PodSpec`]. What the config leaves out comes
//! from the repository's own `pinacle.yaml`, then from the template, then from the defaults.
//!
//! Every error of a config is found here, before anything is made on a host; its sentence gives the path and what would
//! be right. Code that takes a [`PodSpec`] checks nothing again.

mod address;
mod catalog;
mod config;
mod error;
mod images;
mod pod;
mod ports;
mod processes;
mod project;
mod repository;
mod resolve;
mod service;
mod shape;
mod template;
pub(crate) mod text;
mod tier;

pub use catalog::{Catalog, CatalogError};
pub use config::Protocol;
pub use error::SpecError;
pub use images::AllowedImages;
pub use pod::{HOME, MachineSpec, PodSpec, PortSpec, ProcessSpec, ProjectSpec, WORKSPACE};
pub use project::PROJECT_FILE_LIMIT;
pub use repository::Repository;
pub use resolve::{DEFAULT_IMAGE, resolve, resolve_project, secrets};
pub use service::ServiceTemplate;
pub use template::Dependencies;
pub use tier::Tier;

/// The schema of `pods.config`, as JSON Schema.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(config::PodConfig).to_value()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Resolves with the built-in services and templates.
    pub(crate) fn resolve(config: &serde_json::Value) -> Result<PodSpec, SpecError> {
        super::resolve(config, &Catalog::load(None).expect("the built-in catalog"))
    }

    #[test]
    fn the_schema_says_what_the_parser_does() {
        let schema = json_schema();
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["required"], json!(null));
        assert_eq!(
            schema["properties"]["tier"]["enum"],
            json!(["dev.small", "dev.medium", "dev.large", "dev.xlarge", null])
        );
        assert_eq!(schema["$defs"]["PortConfig"]["required"], json!(["name", "internal"]));
        assert_eq!(schema["$defs"]["Port"]["maximum"], json!(65535));
        // The schema and the parser know the same keys.
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
        };
        let error = resolve(&json!({ "x": 1 })).expect_err("an unknown key").message;
        let (_, known) = error.rsplit_once(": ").expect("a list of keys");
        let mut known: Vec<&str> = known.split(", ").collect();
        known.sort_unstable();
        assert_eq!(keys(&schema), known);
    }
}
