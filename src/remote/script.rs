//! Our own scripts as commands.

use super::Command;

/// One of our own scripts, with its arguments. Its comments are for who reads the script, not the log.
pub fn script<const N: usize>(text: &str, args: [&str; N]) -> Command {
    script_for("sh", text, args)
}

/// The same for a shell that is named.
pub fn script_for<const N: usize>(shell: &str, text: &str, args: [&str; N]) -> Command {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    Command::new(shell).args(["-c", &code.join("\n"), shell]).args(args)
}
