//! The processes of a pod.

use super::{
    config::ProcessConfig,
    error::{SpecError, quote},
    pod::ProcessSpec,
    shape::Object,
};

/// Checks that no two processes have the same name.
pub(super) fn resolve(configs: Vec<Object<ProcessConfig>>) -> Result<Vec<ProcessSpec>, SpecError> {
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
