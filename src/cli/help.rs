//! The settings that each command uses. A command's help hides the others, although they work there, too.

use clap::{Arg, Command};

/// The ids of the settings that a command and its subcommands use, beside `config` and `json`.
const USES: [(&str, &[&str]); 12] = [
    ("run", EVERYTHING),
    ("migrate", &["database_url"]),
    ("grant", &["database_url"]),
    (
        "check",
        &[
            "database_url",
            "ssh_private_key",
            "ssh_private_key_file",
            "secrets_key",
            "secrets_key_file",
            "secrets_key_fallbacks",
            "secrets_key_fallbacks_file",
            "services_dir",
            "allow_unconfined_pods",
        ],
    ),
    ("servers", &["database_url"]),
    ("pods", &["database_url", "services_dir", "allowed_images"]),
    ("jobs", &["database_url"]),
    ("logs", &["database_url"]),
    ("cleanup", &["database_url", "log_retention_days", "job_retention_days", "log_pod_limit_mb"]),
    ("reconcile", &["database_url", "ssh_private_key", "ssh_private_key_file", "reconcile_grace"]),
    (
        "secrets",
        &["database_url", "secrets_key", "secrets_key_file", "secrets_key_fallbacks", "secrets_key_fallbacks_file"],
    ),
    ("schema", &[]),
];
const EVERYTHING: &[&str] = &["*"];
/// Shown everywhere.
const COMMON: [&str; 2] = ["config", "json"];

/// Hides from each command's help the settings that it does not use.
pub fn only_what_is_used(command: Command) -> Command {
    let settings: Vec<Arg> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let hide = |command: Command, (name, used): &(&str, &[&str])| {
        command.mut_subcommand(*name, |command| hide_unused(command, &settings, used))
    };
    USES.iter().filter(|(_, used)| *used != EVERYTHING).fold(command, hide)
}

fn hide_unused(command: Command, settings: &[Arg], used: &[&str]) -> Command {
    let command = command.mut_subcommands(|command| hide_unused(command, settings, used));
    let is_used = |arg: &&Arg| used.contains(&arg.get_id().as_str()) || COMMON.contains(&arg.get_id().as_str());
    // A command's own argument replaces the global one of the same id.
    command.args(settings.iter().filter(|arg| !is_used(arg)).map(|arg| arg.clone().hide(true)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_says_which_settings_it_uses() {
        let command = Cli::command();
        let known: Vec<&str> = USES.iter().map(|(name, _)| *name).collect();
        assert_eq!(command.get_subcommands().map(Command::get_name).collect::<Vec<_>>(), known);
        let ids: Vec<&str> = command.get_arguments().map(|arg| arg.get_id().as_str()).collect();
        for id in USES.iter().flat_map(|(_, used)| *used).filter(|id| !EVERYTHING.contains(id)) {
            assert!(ids.contains(id), "{id} is not a setting");
        }
    }

    #[test]
    fn a_hidden_setting_still_works_wherever_it_stands() {
        for args in [["w", "--job-timeout", "7", "migrate"], ["w", "migrate", "--job-timeout", "7"]] {
            let command = only_what_is_used(Cli::command());
            assert!(
                !command
                    .clone()
                    .find_subcommand("migrate")
                    .expect("a command")
                    .clone()
                    .render_help()
                    .to_string()
                    .contains("--job-timeout")
            );
            let matches = command.try_get_matches_from(args).expect("a command line");
            let timeout = matches.get_one::<std::time::Duration>("job_timeout").expect("a setting");
            assert_eq!(timeout.as_secs(), 7, "{args:?}");
        }
    }
}
