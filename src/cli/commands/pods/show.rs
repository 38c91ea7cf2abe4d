//! `pods show`: prints a pod's row, its config, and its last jobs.

use std::process::ExitCode;

use anyhow::Context;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;

use crate::{
    cli::{
        database::open,
        view::{job::JobWithSteps, output},
    },
    podspec::{self, SpecError},
    settings::Settings,
    store::{
        jobs,
        pods::{self, Pod},
        secrets, servers,
    },
    transcript::redact::Redactor,
};

/// How many of the pod's jobs are shown.
const LAST_JOBS: i64 = 5;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    pod: Pod,
    /// The name of the pod's server.
    server: Option<String>,
    /// The newest first.
    jobs: Vec<JobWithSteps>,
}

pub async fn run(settings: &Settings, pod: &str) -> anyhow::Result<ExitCode> {
    let db = &open(settings).await?;
    let pod_id = super::enqueue::find(db, pod).await?;
    let mut pod = pods::get(db, &pod_id).await?.with_context(|| format!("there is no pod {pod_id:?} any more"))?;
    let server = match &pod.server_id {
        Some(id) => servers::get(db, id).await?.map(|server| server.name),
        None => None,
    };
    match (&mut pod.config.0, secrets::of_pod(db, &pod_id).await?) {
        (Ok(config), Some(known)) => {
            hide_secrets(config, known.into_iter().map(|secret| secret.value.expose_secret().to_owned()));
        }
        (config @ Ok(_), None) => *config = Err("it may hold secrets that are too large to search for".to_owned()),
        (Err(_), _) => {}
    }
    let mut shown = Shown { pod, server, jobs: Vec::new() };
    for job in jobs::list(db, Some(&pod_id), LAST_JOBS).await? {
        shown.jobs.push(JobWithSteps::load(db, job).await?);
    }
    if settings.json {
        output::json(&shown)?;
    } else {
        shown.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Hides what is hidden in the pod's log. In an invalid config nobody knows what is secret, so its whole environment
/// is hidden.
pub fn hide_secrets(config: &mut Value, known: impl Iterator<Item = String>) {
    let secrets = podspec::secrets(config).unwrap_or_else(|_| environment(config).map(str::to_owned).collect());
    redact(config, &Redactor::new(secrets.into_iter().chain(known)));
}

fn environment(config: &Value) -> impl Iterator<Item = &str> {
    let variables = config.get("environment").and_then(Value::as_object).into_iter();
    variables.flat_map(|variables| variables.values().filter_map(Value::as_str))
}

fn redact(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.text(text),
        Value::Array(values) => values.iter_mut().for_each(|value| redact(value, redactor)),
        Value::Object(values) => values.values_mut().for_each(|value| redact(value, redactor)),
        _ => {}
    }
}

impl Shown {
    fn print(&self) -> anyhow::Result<()> {
        let pod = &self.pod;
        output::line(output::facts([
            ("Pod", Some(pod.id.clone())),
            ("Name", Some(pod.name.clone())),
            ("Slug", Some(pod.slug.clone())),
            ("Status", Some(pod.status.to_string())),
            ("Container runs", Some(if pod.up { "yes" } else { "no" }.to_owned())),
            ("Error", pod.last_error.clone()),
            ("Server", self.server.clone()),
            ("URL", pod.public_url.clone()),
            ("Port", pod.proxy_port.map(|port| port.to_string())),
            ("Internal address", pod.internal_ip.clone()),
            ("Container", pod.container_id.clone()),
            ("Created", Some(output::time(pod.created_at))),
            ("Last started", pod.last_started_at.map(output::time)),
            ("Last stopped", pod.last_stopped_at.map(output::time)),
            ("Destroyed", pod.destroyed_at.map(output::time)),
        ]))?;
        let config = match &pod.config.0 {
            Ok(config) => serde_json::to_string_pretty(config)?,
            Err(reason) => SpecError::unreadable(reason).to_string(),
        };
        output::line(format!("\nConfig\n{config}"))?;
        for job in &self.jobs {
            output::line("")?;
            job.print()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_shown() {
        let mut config =
            json!({"environment": {"API_KEY": "12345678", "EDITOR": "vi"}, "install": "login 12345678 stored-secret"});
        hide_secrets(&mut config, ["stored-secret".to_owned()].into_iter());
        let shown =
            json!({"environment": {"API_KEY": "[redacted]", "EDITOR": "vi"}, "install": "login [redacted] [redacted]"});
        assert_eq!(config, shown);

        let mut wrong = json!({"environment": {"API_KEY": "12345678"}, "services": ["no such"]});
        hide_secrets(&mut wrong, std::iter::empty());
        assert_eq!(wrong["environment"]["API_KEY"], "[redacted]");
    }
}
