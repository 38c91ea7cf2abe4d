//! The services, templates and images that a config may name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{
    ServiceTemplate,
    images::AllowedImages,
    service,
    template::{self, PodTemplate},
};

/// Loaded once per process.
pub struct Catalog {
    services: BTreeMap<String, ServiceTemplate>,
    templates: BTreeMap<String, PodTemplate>,
    pub images: AllowedImages,
}

/// A template or folder that cannot be used; the sentence says which, and why.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("SERVICES_DIR: {} cannot be read: {error}. Make it readable, or name another folder", .path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{place} is not a valid template. Correct or remove it.\n{error}")]
    Invalid { place: String, error: toml::de::Error },
}

impl Catalog {
    /// Loads the built-in templates, and the service templates in `services_dir`: each `.toml` file there adds a
    /// service or replaces the built-in one of the same name.
    ///
    /// # Errors
    /// The folder can't be read, or a file in it is not a valid template.
    pub fn load(services_dir: Option<&Path>) -> Result<Self, CatalogError> {
        let built_in = "a template that is compiled in";
        let mut catalog =
            Self { services: BTreeMap::new(), templates: BTreeMap::new(), images: AllowedImages::default() };
        for text in template::BUILT_IN {
            let template: PodTemplate = read(built_in, text)?;
            catalog.templates.insert((*template.name).to_owned(), template);
        }
        for text in service::BUILT_IN {
            catalog.add(read(built_in, text)?);
        }
        for path in services_dir.map(files_in).transpose()?.unwrap_or_default() {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| CatalogError::Unreadable { path: path.clone(), error })?;
            catalog.add(read(&format!("SERVICES_DIR: {}", path.display()), &text)?);
        }
        Ok(catalog)
    }

    /// Sets the images that a pod may be made from.
    #[must_use]
    pub fn allowing(self, images: AllowedImages) -> Self {
        Self { images, ..self }
    }

    fn add(&mut self, service: ServiceTemplate) {
        self.services.insert(service.name().to_owned(), service);
    }

    pub(super) fn service(&self, name: &str) -> Option<&ServiceTemplate> {
        self.services.get(name)
    }

    pub(super) fn service_names(&self) -> Vec<&str> {
        self.services.keys().map(String::as_str).collect()
    }

    pub(super) fn template(&self, name: &str) -> Option<&PodTemplate> {
        self.templates.get(name)
    }

    pub(super) fn template_names(&self) -> Vec<&str> {
        self.templates.keys().map(String::as_str).collect()
    }
}

fn read<T: DeserializeOwned>(place: &str, text: &str) -> Result<T, CatalogError> {
    toml::from_str(text).map_err(|error| CatalogError::Invalid { place: place.to_owned(), error })
}

/// The template files in a folder, sorted by name.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let unreadable = |error| CatalogError::Unreadable { path: folder.to_owned(), error };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::podspec::resolve;

    const NOTES: &str = r#"
        name = "notes"
        description = "Notes"
        default_port = 9000
        start = "exec notes"
        health = { command = "true", timeout_seconds = 5 }
    "#;

    #[test]
    fn every_template_makes_a_pod() {
        let catalog = Catalog::load(None).expect("the built-in templates");
        assert_eq!(catalog.template_names(), ["custom", "mastra-ai", "nextjs", "nodejs", "python", "vite"]);
        for name in catalog.template_names() {
            let spec = resolve(&json!({ "template": name }), &catalog).expect(name);
            let services: Vec<_> = spec.project.services.iter().map(ServiceTemplate::name).collect();
            assert_eq!(services, ["code-server", "web-terminal"], "{name}");
        }
    }

    #[test]
    fn a_folder_adds_and_replaces_services() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("notes.toml"), NOTES).expect("a file");
        std::fs::write(folder.path().join("redis.toml"), NOTES.replace("\"notes\"", "\"redis\"")).expect("a file");
        std::fs::write(folder.path().join("README"), "no template").expect("a file");
        let catalog = Catalog::load(Some(folder.path())).expect("a catalog");
        let spec = resolve(&json!({ "services": ["notes", "postgres"] }), &catalog).expect("a pod");
        assert_eq!(spec.project.services[0].default_port.to_string(), "9000");
        assert_eq!(catalog.service("redis").expect("the folder's").description, "Notes");
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, "name = 5").expect("a file");
        let error = Catalog::load(Some(folder.path())).err().expect("no template").to_string();
        assert!(error.contains(&format!("SERVICES_DIR: {}", file.display())) && error.contains("name = 5"), "{error}");
        let error = Catalog::load(Some(Path::new("/nowhere"))).err().expect("no folder").to_string();
        assert!(error.starts_with("SERVICES_DIR: /nowhere cannot be read"), "{error}");
    }
}
