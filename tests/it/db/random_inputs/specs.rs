//! Random configs, to the resolver itself: a spec or a sentence, never a panic, and never a secret in the sentence.

use std::{cell::Cell, time::Instant};

use pinacle_worker::podspec::{self, Catalog, PodSpec, SpecError};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestCaseError};
use serde_json::{Map, Value, json};

use crate::support::random::runner;

const CASES: u32 = 10_000;
const FILES: u32 = 1000;
/// Stands where a secret would: in values of the environment and in URLs.
const SECRET: &str = "hunter2-canary";
/// The longest sentence that a page still shows as one, in characters.
const MAX_SENTENCE: usize = 1000;

/// Every key of a config, at any level.
const KEYS: [&str; 20] = [
    "template",
    "tier",
    "baseImage",
    "services",
    "environment",
    "ports",
    "hooks",
    "repository",
    "install",
    "processes",
    "name",
    "internal",
    "protocol",
    "preStart",
    "postStart",
    "url",
    "branch",
    "startCommand",
    "healthCheck",
    "Tier",
];

/// Text that has broken programs before.
fn hostile() -> impl Strategy<Value = String> {
    let known = vec![
        "",
        " ",
        "'",
        "\"",
        "$(id)",
        "`id`",
        "; rm -rf /",
        "-v",
        "--help",
        "../../etc/passwd",
        "a\nb",
        "\0",
        "\x1b[31m",
        "\u{202e}txt",
        "\u{feff}",
        "%s%n",
        "null",
        "dev.small",
        "redis",
        "nextjs",
        "tcp",
        "https://example.com/r.git",
        "git@h:o/r",
        "ext::sh -c id",
        "file:///etc",
        "debian:12",
        "__proto__",
        "ﷺ",
    ];
    prop_oneof![
        4 => select(known).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => (select(vec!["a", "€", "\\", "📦"]), 60..2000_usize).prop_map(|(unit, times)| unit.repeat(times)),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    let huge = vec![json!(1e308), json!(-1e308), json!(5e-324), json!(u64::MAX), json!(i64::MIN), json!(-0.0)];
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        select(huge),
        Just(json!(3000))
    ]
}

/// Any JSON, now and then nested more deeply than a stack that is used carelessly would bear.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number(), hostile().prop_map(Value::from)];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    (value, prop_oneof![30 => Just(0), 1 => 100..1000_usize], any::<bool>()).prop_map(|(value, depth, lists)| {
        (0..depth).fold(value, |inner, _| if lists { json!([inner]) } else { json!({ "hooks": inner }) })
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&KEYS[..]).prop_map(str::to_owned), 1 => hostile()]
}

/// A value that is right in its place, or a hostile one of the right type, or anything.
fn or_worse(right: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    prop_oneof![20 => right, 3 => hostile().prop_map(Value::from), 1 => any_json()]
}

fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| {
            (Just(name), prop::option::weighted(0.3, value))
                .prop_map(|(name, value)| value.map(|v| (name.to_owned(), v)))
        })
        .collect();
    let stray = prop::option::weighted(0.05, (key(), any_json()));
    (fields, stray)
        .prop_map(|(fields, stray)| fields.into_iter().flatten().chain(stray).collect::<Map<_, _>>().into())
        .boxed()
}

fn list(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    or_worse(prop::collection::vec(value, 0..4).prop_map(Value::from)).boxed()
}

fn text(right: &'static [&'static str]) -> BoxedStrategy<Value> {
    or_worse(select(right).prop_map(Value::from)).boxed()
}

/// A config that is nearly right.
pub fn nearly_a_config() -> impl Strategy<Value = Value> {
    let command = || text(&["true", "echo a b", "npm ci && npm run build"]);
    let name = || text(&["web", "api", "db-1"]);
    let variable = (
        prop_oneof![3 => select(vec!["A", "API_TOKEN", "DATABASE_URL"]).prop_map(str::to_owned), 1 => hostile()],
        prop_oneof![3 => hostile().prop_map(|text| json!(format!("{SECRET}{text}"))), 1 => number()],
    );
    let environment = prop::collection::vec(variable, 0..4).prop_map(|all| Value::Object(all.into_iter().collect()));
    let url = prop_oneof![
        3 => select(vec!["https://example.com/o/r.git", "git@github.com:o/r.git"]).prop_map(Value::from),
        2 => hostile().prop_map(|text| json!(format!("https://u:{SECRET}@{text}"))),
        1 => any_json(),
    ];
    let internal = or_worse((0..70_000_u32).prop_map(Value::from));
    object(vec![
        ("template", text(&["nextjs", "custom", "python"])),
        ("tier", text(&["dev.small", "dev.large"])),
        ("baseImage", text(&["debian:12", "pinacledev/pinacle-base"])),
        ("services", list(text(&["redis", "postgres", "code-server"]))),
        ("environment", environment.boxed()),
        (
            "ports",
            list(object(vec![("name", name()), ("internal", internal.boxed()), ("protocol", text(&["tcp", "udp"]))])),
        ),
        ("hooks", object(vec![("preStart", list(command())), ("postStart", list(command()))])),
        ("repository", object(vec![("url", url.boxed()), ("branch", text(&["main", "feature/x"]))])),
        ("install", prop_oneof![command(), list(command())].boxed()),
        (
            "processes",
            list(object(vec![
                ("name", name()),
                ("startCommand", command()),
                ("url", text(&["/", "http://localhost:3000"])),
                ("healthCheck", command()),
            ])),
        ),
    ])
}

/// A sentence that says where and why, and no secret.
pub fn check_sentence(sentence: &str) -> Result<(), TestCaseError> {
    prop_assert!(sentence.contains("pods.config") || sentence.contains("pinacle.yaml"), "{sentence}");
    let (_, reason) = sentence.split_once(": ").unwrap_or_default();
    prop_assert!(!reason.trim().is_empty(), "{sentence}");
    prop_assert!(sentence.chars().count() <= MAX_SENTENCE, "{} characters: {sentence}", sentence.chars().count());
    prop_assert!(!sentence.contains(SECRET), "{sentence}");
    Ok(())
}

fn check(resolved: &Result<PodSpec, SpecError>) -> Result<(), TestCaseError> {
    let Err(error) = resolved else { return Ok(()) };
    check_sentence(&error.to_string())?;
    prop_assert!(!error.message.contains(char::is_control), "{error:?}");
    prop_assert!(!error.path.contains(char::is_control), "{error:?}");
    Ok(())
}

/// The path of a reason begins with a key that the config has; a strange one is quoted.
fn names_a_key_of(config: &Value, resolved: &Result<PodSpec, SpecError>) -> Result<(), TestCaseError> {
    let (Err(error), Some(config)) = (resolved, config.as_object()) else { return Ok(()) };
    let key = error.path.split(['.', '[']).next().unwrap_or_default();
    let has_strange_ones = config.keys().any(|key| !KEYS.contains(&&**key));
    prop_assert!(!error.path.is_empty(), "{error:?}");
    prop_assert!(config.contains_key(key) || (error.path.starts_with("[\"") && has_strange_ones), "{error:?}");
    Ok(())
}

fn configs() -> impl Strategy<Value = Value> {
    prop_oneof![1 => any_json(), 4 => nearly_a_config()]
}

#[test]
fn ten_thousand_configs_each_get_a_spec_or_a_reason() {
    let (catalog, began) = (Catalog::load(None).unwrap(), Instant::now());
    let (specs, reasons) = (Cell::new(0), Cell::new(0));
    let ran = runner(CASES).run(&configs(), |config| {
        let resolved = podspec::resolve(&config, &catalog);
        let met = if resolved.is_ok() { &specs } else { &reasons };
        met.set(met.get() + 1);
        drop(podspec::secrets(&config));
        check(&resolved)?;
        names_a_key_of(&config, &resolved)
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    eprintln!("{} specs and {} reasons in {:.1?}", specs.get(), reasons.get(), began.elapsed());
    // Where one side is hardly met, the inputs are too far from what people write.
    assert!(specs.get() > CASES / 20 && reasons.get() > CASES / 20);
}

#[test]
fn a_thousand_files_of_repositories_each_get_a_spec() {
    let catalog = Catalog::load(None).unwrap();
    // What is JSON is YAML, too; and half of it is not.
    let file = (configs(), prop::option::of(any::<prop::sample::Index>())).prop_map(|(config, cut)| {
        let text = config.to_string();
        let cut = cut.map_or(text.len(), |index| text.floor_char_boundary(index.index(text.len())));
        text[..cut].to_owned()
    });
    let ran = runner(FILES).run(&file, |file| {
        let resolved = podspec::resolve_project(&json!({}), &file, &catalog, |_| false);
        prop_assert!(resolved.is_ok(), "{resolved:?}");
        resolved.into_iter().flat_map(|(_, notices)| notices).try_for_each(|notice| check(&Err(notice)))
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
}

/// The first `count` of the inputs.
pub fn draw<T: std::fmt::Debug>(inputs: &impl Strategy<Value = T>, count: u32) -> Vec<T> {
    let mut runner = runner(count);
    (0..count).map(|_| inputs.new_tree(&mut runner).unwrap().current()).collect()
}
