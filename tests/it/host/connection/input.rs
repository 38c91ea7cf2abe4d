//! What a command is given, stdin and argv, arrives byte for byte, and nothing of it is ever run by a shell.

use std::sync::Arc;

use pinacle_worker::remote::{Command, ConnectionError, Host, Outcome};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::host::exec::{exec, over_both, script, try_exec};

over_both!(
    stdin_arrives_byte_for_byte,
    stdin_larger_than_every_buffer_comes_back,
    a_command_need_not_read_its_stdin,
    a_command_without_stdin_finds_its_end,
    more_than_can_be_sent_is_refused,
    argv_arrives_byte_for_byte,
    any_text_arrives_byte_for_byte,
    a_nul_is_refused_and_named
);

/// A mebibyte of all that is special, the same each time.
fn random_text(bytes: usize) -> String {
    let mut runner = TestRunner::deterministic();
    let part = prop_oneof![
        "[^\0]{1,200}",
        Just("'\"\\$`\n\r\n\t ".to_owned()),
        Just("$(touch canary)".to_owned()),
        Just("\u{1e}pinacle-guard 1\n".to_owned()),
        "[a-f0-9\n]{1,2000}",
    ];
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(&part.new_tree(&mut runner).unwrap().current());
    }
    text
}

async fn stdin_arrives_byte_for_byte(host: Arc<Host>) {
    for text in ["x", "no newline at the end", "one\n", "\n\n\n", "'\"$(touch canary)`id`\\\n\u{1e}x\r\n"] {
        let ran = exec(&host, &Command::new("cat").input(text)).await;
        assert_eq!((ran.outcome, &*ran.stdout), (Outcome::Exited(0), text));
    }
    let text = random_text(1024 * 1024);
    let ran = exec(&host, &Command::new("sha256sum").input(text.clone())).await;
    assert_eq!(ran.stdout.split(' ').next().unwrap(), sha256(&text));
}

fn sha256(text: &str) -> String {
    use std::io::Write;
    let mut sum = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = sum.wait_with_output().unwrap().stdout;
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}

async fn stdin_larger_than_every_buffer_comes_back(host: Arc<Host>) {
    // The command writes while it reads, so whoever writes first and reads later waits for ever.
    let text = random_text(1400 * 1024);
    let ran = exec(&host, &Command::new("cat").input(text.clone())).await;
    assert_eq!(ran.outcome, Outcome::Exited(0));
    assert!(ran.stdout == text, "{} bytes of {}", ran.stdout.len(), text.len());
}

async fn a_command_need_not_read_its_stdin(host: Arc<Host>) {
    for bytes in [10, 100_000, 1_000_000, 1_400_000].repeat(5) {
        let input = "x".repeat(bytes);
        assert_eq!(exec(&host, &Command::new("true").input(input.clone())).await.outcome, Outcome::Exited(0));
        let ran = exec(&host, &script("head -c 3; exit 4", []).input(input)).await;
        assert_eq!((ran.outcome, &*ran.stdout), (Outcome::Exited(4), "xxx"));
    }
}

async fn a_command_without_stdin_finds_its_end(host: Arc<Host>) {
    let ran = exec(&host, &script("cat; echo end", [])).await;
    assert_eq!((ran.outcome, &*ran.stdout), (Outcome::Exited(0), "end\n"));
}

async fn more_than_can_be_sent_is_refused(host: Arc<Host>) {
    let error = try_exec(&host, &Command::new("cat").input("x".repeat(2 * 1024 * 1024)), None).await.unwrap_err();
    assert!(matches!(error, ConnectionError::TooLarge(2_097_000..)), "{error:?}");
    assert_eq!(exec(&host, &Command::new("true")).await.outcome, Outcome::Exited(0));
}

async fn argv_arrives_byte_for_byte(host: Arc<Host>) {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let touch = format!("touch {}", canary.display());
    let words = [
        "",
        " ",
        "'",
        "\"",
        "''",
        "'x",
        "x'",
        "\\",
        "x\\",
        "\\\\'",
        "\n",
        "a\nb",
        "\r",
        "\t",
        "*",
        "?",
        "[a-z]*",
        "~",
        "~root",
        "-n",
        "--",
        "--help",
        "-e",
        "#",
        "!",
        "!!",
        "$",
        "$HOME",
        "${HOME}",
        "$$",
        "&",
        "&&",
        "|",
        ";",
        "(",
        "{",
        "}",
        "<",
        ">",
        ">/dev/null",
        "2>&1",
        "é",
        "日本語",
        "📦",
        "\u{202e}",
        "\u{1e}",
        "\u{7f}",
        "%s%n",
        "\\x41",
        "\\0",
        "a=b",
        "EOF",
    ];
    let hostile = [
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("'; {touch}; '"),
        format!("\"; {touch}; \""),
        format!("; {touch} #"),
        format!("\n{touch}\n"),
        format!("'\n{touch}\n'"),
        format!("| {touch}"),
        format!("&& {touch}"),
        format!("\\'; {touch}; \\'"),
        format!("$'\\n'{touch}"),
        format!("<({touch})"),
    ];
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).chain(hostile).collect();
    // All at once, and each as the first and the last word, where quoting goes wrong.
    let mut lists: Vec<Vec<String>> = words.iter().map(|word| vec![word.clone()]).collect();
    lists.push(words);
    for words in lists {
        let command = Command::new("printf").arg("%s\\0").args(words.clone());
        let ran = exec(&host, &command).await;
        assert_eq!((ran.outcome, ran.stdout), (Outcome::Exited(0), words.join("\0") + "\0"));
        assert!(!canary.exists(), "{words:?} was run by a shell");
    }
}

async fn any_text_arrives_byte_for_byte(host: Arc<Host>) {
    let mut runner = TestRunner::deterministic();
    let words = prop::collection::vec("[^\0]{0,20}", 1..40);
    for _ in 0..20 {
        let words = words.new_tree(&mut runner).unwrap().current();
        let ran = exec(&host, &Command::new("printf").arg("%s\\0").args(words.clone())).await;
        assert_eq!(ran.stdout, words.join("\0") + "\0");
    }
}

async fn a_nul_is_refused_and_named(host: Arc<Host>) {
    let error = try_exec(&host, &Command::new("echo").arg("a\0b"), None).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Command(_)), "{error:?}");
    assert!(error.to_string().contains(r#""a\0b""#), "{error}");
    // In stdin it is a byte like any other.
    let ran = exec(&host, &Command::new("cat").input("a\0b")).await;
    assert_eq!(ran.stdout, "a\0b");
}
