//! What is written down inside a pod, as the command that waits for its proxy lists it: one more command for each kind
//! would cost more than most of what they decide.

const SERVICES: &str = "/etc/s6/service-";
const PROCESSES: &str = "/etc/pinacle/processes/";
const MARKS: &str = "/var/lib/pinacle/installed/";
/// It is there where the user's processes, or the terminal that they would run in, are held down.
const HELD: &str = "/etc/s6/tmux/down";
/// A config asks for fewer of each kind, and its names are shorter. What is more than that, or has another form, the user
/// has put there, and it is the user's business.
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
    /// What the paths begin with that [`Self::parse`] reads.
    pub const PREFIXES: [&str; 4] = [SERVICES, PROCESSES, MARKS, HELD];

    /// Reads paths, a line each. What is none of these is left out.
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
    fn what_is_no_name_or_one_too_many_is_left_out() {
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
            "/etc/s6/service-redis\n/etc/pinacle/processes/web\n/var/lib/pinacle/installed/0a\n/var/lib/pinacle/installed/1b\nnoise\n",
        );
        assert_eq!((inside.services, inside.processes), (vec!["redis".to_owned()], vec!["web".to_owned()]));
        assert_eq!(inside.marks, ["0a", "1b"]);
        assert!(Inside::parse("").marks.is_empty());
    }
}
