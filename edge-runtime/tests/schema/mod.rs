//! The JSON schema of configurations accepts what the program accepts, and refuses what it refuses; rules between
//! several values aside. Python's `jsonschema` is the judge, where `scripts/test` could install it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use edge_runtime::config::Config;
use serde_json::{Value, json};

use crate::support::program::command;

/// Names a Python that has `jsonschema`.
const PYTHON: &str = "ONNX_PYTHON";

/// Reads {"schema", "texts"}; writes whether each text, in TOML, follows the schema.
const JUDGE: &str = "\
import json, sys, tomllib
from jsonschema import Draft202012Validator as Validator
asked = json.load(sys.stdin)
Validator.check_schema(asked['schema'])
schema = Validator(asked['schema'])
print(json.dumps([schema.is_valid(tomllib.loads(text)) for text in asked['texts']]))
";

const EXAMPLE: &str = include_str!("../../config.example.toml");
const CHAPTER: &str = include_str!("../../../docs/src/kiosk-page.md");

/// The example, with the sections that are commented out.
fn everything() -> String {
    let (before, after) = EXAMPLE.split_once("# [sink.mqtt]").unwrap();
    let sections = after.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
        _ => line,
    });
    let sections: Vec<&str> = sections.collect();
    format!("{before}[sink.mqtt]{}\n", sections.join("\n"))
}

fn printed() -> Value {
    let output = command(&["check-config", "--schema"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_published_schema_is_what_the_program_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json");
    let published: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(
        published,
        printed(),
        "write it anew: edge-runtime check-config --schema > edge-runtime/config.schema.json"
    );
}

/// The defaults in a part of the schema that are a value, by their path, such as `page.listen`.
fn defaults(schema: &Value, part: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    let any = part["anyOf"].as_array().and_then(|parts| parts.first());
    let part = any.unwrap_or(part);
    let named = part["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    let part = named.and_then(|name| schema.pointer(name)).unwrap_or(part);
    for (key, value) in part["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let default = value.get("default").filter(|default| !default.is_object());
        found.extend(default.map(|default| (path[1..].to_owned(), default.clone())));
        defaults(schema, value, &path, found);
    }
}

/// Whether both are the same; numbers as near as 32 bits tell them apart.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a as f32) == (b as f32),
        _ => a == b,
    }
}

#[test]
fn example_and_chapter_name_the_defaults_that_the_program_has() {
    let schema = printed();
    let mut found = BTreeMap::new();
    defaults(&schema, &schema, "", &mut found);
    let example: Value = toml::from_str(&everything()).unwrap();
    let mut compared = 0;
    for (path, default) in &found {
        let shown = example.pointer(&format!("/{}", path.replace('.', "/")));
        // Where nothing is the default, the example shows something.
        let nothing = default.is_null() || default == &json!([]);
        if let Some(shown) = shown.filter(|_| !nothing) {
            assert!(
                same(shown, default),
                "{path}: {shown} in the example, {default} in the program"
            );
            compared += 1;
        }
    }
    assert!(compared > 25, "{compared}");
    let rows = CHAPTER
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let keys = rows.filter_map(|(key, rest)| Some((found.get(&format!("page.{key}"))?, key, rest.split(" |").next()?)));
    let mut compared = 0;
    for (default, key, shown) in keys {
        let told = match shown {
            "none" => Value::Null,
            shown => toml::from_str::<Value>(&format!("value = {}", shown.trim_matches('`'))).unwrap()["value"].clone(),
        };
        assert!(
            same(&told, default),
            "{key}: {told} in the chapter, {default} in the program"
        );
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
}

#[test]
fn the_schema_accepts_what_the_program_accepts() {
    let least = "schema = 1\nsource.uri = \"clip.y4m\"\n";
    let mqtt = |more: &str| format!("sink.mqtt = {{ host = \"a\", device = \"hall\"{more} }}");
    let gpio = |lines: &str| format!("sink.gpio = {{ backend = \"log\", lines = [{lines}] }}");
    let mut cases: Vec<(String, bool)> = [
        ("", true),
        ("threads = 2", true),
        ("threads = 3", false),
        ("precision = \"int8\"", true),
        ("precision = \"int4\"", false),
        ("strange = 1", false),
        ("source.fps = 0.05", false),
        ("source.width = 8193", false),
        ("source.pixels = \"nv12\"", true),
        ("source.pixels = \"nv13\"", false),
        ("source.loop = true", true),
        ("decide.enter = 1.5", false),
        ("decide.stale_ms = 1001", false),
        ("face.region = [0.0, 0.0, 1.0, 1.0]", true),
        ("face.region = [0.0, 0.0, 1.0]", false),
        ("face.policy = \"centre\"", true),
        ("face.policy = \"middle\"", false),
        ("sink.stdout = \"loud\"", false),
        (&gpio(""), false),
        (&gpio("{ pin = 5, emotion = \"Sad\", active_low = true }"), true),
        (&gpio("{ pin = 2000, emotion = \"Sad\" }"), false),
        (&mqtt(""), true),
        (&mqtt(", port = 0"), false),
        (&mqtt(", tls = { ca_file = \"ca.pem\" }"), true),
        (&mqtt(", support_url = \"https://example.org/kiosk\""), true),
        (&mqtt(", support_url = \"example.org\""), false),
        (&mqtt(", tls = { strange = 1 }"), false),
        (&mqtt(", outbox = { max_events = 3 }"), false),
        (&mqtt(", discovery_prefix = \"a/#\""), false),
        ("sink.mqtt = { host = \"mqtt://a\", device = \"hall\" }", false),
        ("sink.mqtt = { host = \"a\", device = \"hall/1\" }", false),
        ("sink.mqtt = { host = \"a\" }", false),
        ("metrics = {}", false),
        ("metrics.listen = \"127.0.0.1:9464\"", true),
        ("counts = {}", true),
        ("counts.keep_days = 0", false),
        ("counts.keep_days = 4000", true),
        ("counts.min_visitors = 1001", false),
        ("counts.strange = 1", false),
        ("update = {}", true),
        ("update.check_interval_s = 2592001", false),
        ("update.confirm_after_s = 5", true),
    ]
    .into_iter()
    .map(|(more, good)| (format!("{least}{more}\n"), good))
    .collect();
    cases.extend([
        (EXAMPLE.to_owned(), true),
        (everything(), true),
        ("schema = 2\n".to_owned(), false),
    ]);
    for (text, good) in &cases {
        assert_eq!(Config::parse(text).is_ok(), *good, "{text}");
    }
    let Ok(python) = std::env::var(PYTHON) else {
        testing::skip(&format!("{PYTHON} is not set: ./scripts/test sets it"));
        return;
    };
    let texts: Vec<&String> = cases.iter().map(|(text, _)| text).collect();
    let asked = json!({ "schema": printed(), "texts": texts }).to_string();
    let mut child = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let valid: Vec<bool> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(valid.len(), cases.len());
    for ((text, good), valid) in cases.iter().zip(valid) {
        assert_eq!(valid, *good, "{text}");
    }
}
