//! `pods create`: the pod's row and its create job, in one transaction, as the web app inserts them.

use std::{io::Read, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::enqueue::Enqueue;
use crate::{
    cli::{
        database::open,
        view::{explain, follow},
    },
    podspec::{self, Catalog},
    settings::Settings,
    store::pods,
};

/// A service is reached as `localhost-65535-pod-<slug>`, which is one label of a hostname: at most 63 characters.
const MAX_SLUG: usize = 63 - "localhost-65535-pod-".len();

#[derive(Debug, Args)]
pub struct Create {
    /// The name that people see.
    #[arg(long)]
    name: String,
    /// The pod's name in its hostname: small letters, digits and hyphens. Derived from the name by default.
    #[arg(long)]
    slug: Option<String>,
    /// The pod's config, as JSON; `pinacle-worker schema` prints its JSON Schema.
    #[arg(long, value_name = "JSON", conflicts_with = "spec_file")]
    spec: Option<String>,
    /// A file with the pod's config; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    spec_file: Option<PathBuf>,
    /// The config's `template`.
    #[arg(long)]
    template: Option<String>,
    /// The config's `tier`.
    #[arg(long)]
    tier: Option<String>,
    #[command(flatten)]
    how: Enqueue,
}

/// A pod that may be inserted.
struct Checked {
    slug: String,
    config: Value,
}

impl Create {
    /// Checks everything that can be checked without the database.
    fn checked(&self, catalog: &Catalog) -> anyhow::Result<Checked> {
        anyhow::ensure!(!self.name.trim().is_empty(), "the pod's name is blank; give it one with --name");
        let slug = match &self.slug {
            Some(slug) => slug.clone(),
            None => derive_slug(&self.name).with_context(|| {
                format!("no slug can be derived from the name {:?}; give one with --slug", self.name)
            })?,
        };
        anyhow::ensure!(
            is_slug(&slug),
            "{slug:?} is not a slug: give 1 to {MAX_SLUG} small letters (a-z), digits and hyphens, with no hyphen at \
             either end"
        );
        let mut config = self.config()?;
        if let Value::Object(keys) = &mut config {
            let flags = [("template", &self.template), ("tier", &self.tier)];
            keys.extend(flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into()))));
        }
        catalog.images.check(&podspec::resolve(&config, catalog)?.machine.base_image)?;
        Ok(Checked { slug, config })
    }

    fn config(&self) -> anyhow::Result<Value> {
        let (text, origin) = match (&self.spec, &self.spec_file) {
            (Some(text), _) => (text.clone(), "--spec".to_owned()),
            (None, Some(file)) if file.as_os_str() == "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("the config cannot be read from stdin")?;
                (text, "stdin".to_owned())
            }
            (None, Some(file)) => {
                let name = file.display().to_string();
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("the config {name} cannot be read"))?;
                (text, name)
            }
            (None, None) => return Ok(Value::Object(serde_json::Map::new())),
        };
        serde_json::from_str(&text).with_context(|| format!("the config ({origin}) is not valid JSON"))
    }
}

pub async fn run(settings: &Settings, create: &Create) -> anyhow::Result<ExitCode> {
    let pod = create.checked(&settings.catalog()?)?;
    let db = open(settings).await?;
    let slug = &pod.slug;
    let created = pods::create(&db, &create.name, slug, &pod.config, &create.how.requested_by).await;
    let (_, job_id) = created.map_err(|error| {
        if explain::breaks(&error, "pods_slug_of_live_pods") {
            anyhow::anyhow!(
                "the slug {slug:?} belongs to another pod that is not destroyed. Give another with --slug, or destroy \
                 that one first"
            )
        } else {
            error.into()
        }
    })?;
    follow::print_job(&db, settings, &job_id, create.how.wait).await
}

/// The contract's `^[a-z0-9]([a-z0-9-]{0,41}[a-z0-9])?$`.
fn is_slug(slug: &str) -> bool {
    (1..=MAX_SLUG).contains(&slug.len())
        && slug.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !slug.starts_with('-')
        && !slug.ends_with('-')
}

/// The name's letters and digits in lowercase, with a hyphen for anything between them; `None` if it has neither.
fn derive_slug(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(MAX_SLUG);
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_derived_from_the_name() {
        assert_eq!(derive_slug("  My Pod: v2 (new) ").as_deref(), Some("my-pod-v2-new"));
        assert_eq!(derive_slug("Zoë's"), Some("zo-s".to_owned()));
        assert_eq!(derive_slug("日本"), None);
        // Cut right behind a hyphen.
        let long = format!("{} {}", "a".repeat(MAX_SLUG - 1), "b");
        let slug = derive_slug(&long).unwrap();
        assert_eq!(slug, "a".repeat(MAX_SLUG - 1));
        assert!(is_slug(&slug) && is_slug("a") && is_slug("0-0") && is_slug(&"a".repeat(MAX_SLUG)));
    }

    #[test]
    fn a_slug_is_a_dns_label() {
        for slug in ["", "-", "a-", "-a", "A", "a_b", "a.b", "ä", "a\n", &"a".repeat(MAX_SLUG + 1)] {
            assert!(!is_slug(slug), "{slug:?}");
        }
    }
}
