//! The JSON schema of configurations accepts what the program accepts, and refuses what it refuses; rules between
//! several values aside. Python's `jsonschema` is the judge, where `scripts/test` could install it.

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
