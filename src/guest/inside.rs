//! What is stored inside a pod: services, processes and marks. The command that waits for the pod's proxy lists all of
//! it, because a command for each kind would cost too much.

const SERVICES: &str = "/etc/s6/service-";
const PROCESSES: &str = "/etc/pinacle/processes/";
const MARKS: &str = "/var/lib/pinacle/installed/";
/// This file exists while the user's processes, and the tmux server that runs them, are kept down.
const HELD: &str = "/etc/s6/tmux/down";
/// A config has fewer entries of each kind, and shorter names. Anything beyond these bounds was put there by the user
/// and is ignored.
const MAX_LISTED: usize = 500;
const MAX_NAME: usize = 64;

/// Names of services, of the user's processes, and of the marks of commands that have succeeded once.
#[derive(Debug, Default)]
pub struct Inside {
    pub services: Vec<String>,
    pub processes: Vec<String>,
    pub marks: Vec<String>,
    pub processes_are_held: bool,
}

impl Inside {
    /// The beginnings of the paths that [`Self::parse`] reads.
    pub const PREFIXES: [&str; 4] = [SERVICES, PROCESSES, MARKS, HELD];

    /// Reads paths, one a line. Other lines are ignored.
    pub fn parse(listed: &str) -> Self {
        let named = |prefix: &str| {
            let names = listed.lines().filter_map(|path| path.strip_prefix(prefix)).filter(|name| is_name(name));
            names.take(MAX_LISTED).map(str::to_owned).collect()
        };
        let processes_are_held = listed.lines().any(|path| path == HELD);
        Self { services: named(SERVICES), processes: named(PROCESSES), marks: named(MARKS), processes_are_held }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_and_names_beyond_the_bound_are_ignored() {
        let long = "a".repeat(65);
        for name in ["it's", "a b", "", "../x", &long] {
            assert!(Inside::parse(&format!("{SERVICES}{name}\n")).services.is_empty(), "{name:?}");
        }
        let many: Vec<String> = (0..4200).map(|number| format!("{SERVICES}s{number}")).collect();
        assert_eq!(Inside::parse(&many.join("\n")).services.len(), MAX_LISTED);
    }

    #[test]
    fn each_path_is_read_by_its_kind() {
        let inside = Inside::parse(
            "/etc/s6/service-redis\n/etc/pinacle/processes/web\n/var/lib/pinacle/installed/0a\n\
             /var/lib/pinacle/installed/1b\nnoise\n",
        );
        assert_eq!((inside.services, inside.processes), (vec!["redis".to_owned()], vec!["web".to_owned()]));
        assert_eq!(inside.marks, ["0a", "1b"]);
        assert!(Inside::parse("").marks.is_empty());
    }
}
