//! What is written down inside a pod, as the command that waits for its proxy lists it: one more command for each kind
//! would cost more than most of what they decide.

const SERVICES: &str = "/etc/s6/service-";
const PROCESSES: &str = "/etc/pinacle/processes/";
const MARKS: &str = "/var/lib/pinacle/installed/";
/// It is there where the user's processes, or the terminal that they would run in, are held down.
const HELD: &str = "/etc/s6/tmux/down";

/// Names of services, of the user's processes, and of the marks of commands that have succeeded once.
#[derive(Debug, Default)]
pub struct Inside {
    pub services: Vec<String>,
    pub processes: Vec<String>,
    pub marks: Vec<String>,
    pub processes_are_held: bool,
}

impl Inside {
    /// What the paths begin with that [`Self::parse`] reads.
    pub const PREFIXES: [&str; 4] = [SERVICES, PROCESSES, MARKS, HELD];

    /// Reads paths, a line each. What is none of these is left out.
    pub fn parse(listed: &str) -> Self {
        let named =
            |prefix: &str| listed.lines().filter_map(|path| path.strip_prefix(prefix)).map(str::to_owned).collect();
        let processes_are_held = listed.lines().any(|path| path == HELD);
        Self { services: named(SERVICES), processes: named(PROCESSES), marks: named(MARKS), processes_are_held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_read_by_its_kind() {
        let inside = Inside::parse(
            "/etc/s6/service-redis\n/etc/pinacle/processes/web\n/var/lib/pinacle/installed/0a\n/var/lib/pinacle/installed/1b\nnoise\n",
        );
        assert_eq!((inside.services, inside.processes), (vec!["redis".to_owned()], vec!["web".to_owned()]));
        assert_eq!(inside.marks, ["0a", "1b"]);
        assert!(Inside::parse("").marks.is_empty());
    }
}
