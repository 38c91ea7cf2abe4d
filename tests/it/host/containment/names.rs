//! Names that users choose: what is legal works, and what can't is refused by name.

use serde_json::{Map, Value, json};

use crate::support::{PodHost, TestDb, Worker, host::sh};

/// What scripts of ours, shells and tools use themselves.
const NAMES: &[&str] = &[
    "name",
    "session",
    "folder",
    "file",
    "code",
    "command",
    "service",
    "services",
    "defined",
    "started",
    "said",
    "last",
    "looks",
    "patience",
    "server",
    "deadline",
    "number",
    "exited",
    "names",
    "host",
    "old",
    "new",
    "prefix",
    "path",
    "process",
    "processes",
    "kept",
    "stop",
    "port",
    "of",
    "dir",
    "branch",
    "partial",
    "url",
    "aside",
    "exclude",
    "mark",
    "IFS",
    "CDPATH",
    "ENV",
    "BASH_ENV",
    "PS1",
    "PS2",
    "PS4",
    "UID",
    "EUID",
    "PPID",
    "LINENO",
    "OPTARG",
    "OPTERR",
    "PWD",
    "OLDPWD",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH_VERSINFO",
    "FUNCNAME",
    "GROUPS",
    "DIRSTACK",
    "HOSTNAME",
    "MAIL",
    "MAILPATH",
    "TERM",
    "LINES",
    "COLUMNS",
    "TMUX_TMPDIR",
    "TMUX_PANE",
    "PROMPT_COMMAND",
    "HISTFILE",
    "TMPDIR",
    "_",
    "__",
    "a",
];
/// What breaks a script that doesn't expect it; and no program of the user's is asked to run it.
const VALUE: &str = "it's -e \"$(touch /tmp/attacked)\" `touch /tmp/attacked`; *";

/// Whose values a shell runs by itself, wherever it is: they are their user's commands.
const RUN_BY_SHELLS: &[&str] = &["ENV", "BASH_ENV", "PS1", "PS2", "PS4", "PROMPT_COMMAND"];

/// What bash, which runs a user's commands as their terminal does, sets itself, wherever it runs.
const SET_BY_BASH: &[&str] = &[
    "_",
    "PWD",
    "OLDPWD",
    "PPID",
    "LINENO",
    "IFS",
    "PS1",
    "PS2",
    "PS4",
    "OPTERR",
    "RANDOM",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH_VERSINFO",
];

fn value(name: &str) -> &'static str {
    if RUN_BY_SHELLS.contains(&name) { "true" } else { VALUE }
}

#[tokio::test]
async fn a_variable_of_any_name_breaks_nothing_of_ours() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let environment: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), json!(value(name)))).collect();
    let config = json!({
        "environment": environment,
        "services": ["web-terminal"],
        "install": "echo installed >>/root/installed",
        "hooks": { "preStart": ["echo pre >>/root/pre"], "postStart": ["echo post >>/root/post"] },
        "processes": [
            { "name": "name", "startCommand": "exec sleep 7001", "healthCheck": "pgrep -f '[s]leep 7001'" },
            { "name": "ends", "startCommand": "exit 3" },
        ],
    });
    let pod = db.pod("named", &config).await;
    let inside = |script: &str| sh(&format!("docker exec pinacle-pod-{pod} sh -c \"{script}\""));
    db.done(&pod, "create").await;
    for kind in ["restart", "stop", "start"] {
        db.done(&pod, kind).await;
    }
    assert_eq!(inside("cat /root/installed"), "installed", "once");
    assert_eq!(inside("cat /root/pre /root/post | wc -l"), "6", "at each of three starts");
    let environ = inside("cat /proc/\\$(pgrep -f '[s]leep 7001')/environ");
    let has: Vec<&str> = environ.split('\0').collect();
    for name in NAMES.iter().filter(|name| !SET_BY_BASH.contains(name)) {
        assert!(has.contains(&&*format!("{name}={}", value(name))), "{name} in {has:#?}");
    }
    // The end of the one that ended was noticed: it is started again, and the other is left alone.
    let exited = inside("tmux -N show-options -qv -t =process-ends: @exited");
    assert_eq!(exited, "3");
    let before = inside("pgrep -f '[s]leep 7001'");
    db.done(&pod, "start").await;
    assert_eq!(inside("pgrep -f '[s]leep 7001'"), before);
    let terminal = sh(&format!(
        "docker exec pinacle-pod-{pod} bash -ic 'echo \"$name\"' 2>&1 | grep -v 'job control\\|terminal process'"
    ));
    assert_eq!(terminal, VALUE, "a shell that a person opens complains of nothing");
    assert_eq!(inside("ls /tmp/attacked 2>/dev/null || true"), "");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
