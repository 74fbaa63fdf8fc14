//! The documented Python code gives what the kiosk's runtime gives.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::programs::{program, root, run};

/// Largest difference of a score, and of a coordinate as a share of the picture's side.
const TOLERANCE: f64 = 1e-4;
const SIDE: usize = 61;

/// The code of a chapter.
fn code(chapter: &str) -> String {
    let text = fs::read_to_string(root().join("docs/src").join(chapter)).unwrap();
    let (_, after) = text.split_once("```python\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        Value::Object(values) => values.values().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

#[test]
fn the_documented_python_code_tells_what_classify_tells() {
    let Some(python) = std::env::var_os("ONNX_PYTHON") else {
        testing::skip("the Python code of the documents: ONNX_PYTHON is not set (./scripts/test sets it)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [script, picture] = ["classify.py", "face.pgm"].map(|name| folder.path().join(name));
    fs::write(&script, code("python.md")).unwrap();
    // Brighter to the right and darker downwards, with a spot on one side.
    let shade = |at: usize| {
        let (x, y) = (at % SIDE, at / SIDE);
        (40 + 2 * x + y + if x.abs_diff(20) + y.abs_diff(25) < 9 { 70 } else { 0 }) as u8
    };
    let mut bytes = format!("P5\n{SIDE} {SIDE}\n255\n").into_bytes();
    bytes.extend((0..SIDE * SIDE).map(shade));
    fs::write(&picture, bytes).unwrap();
    let bundle = root().join("edge-runtime/models/default");

    let by_python = run(Command::new(python).arg(&script).arg(&bundle).arg(&picture), 0);
    let by_python: Value = serde_json::from_str(&by_python.out).unwrap();
    let mut classify = program("edge-runtime");
    classify.args(["classify", "--face", "whole", "--precision", "f32", "--bundle"]);
    let line = run(classify.arg(&bundle).arg(&picture), 0).lines().remove(0);
    assert_eq!(by_python["emotion"], line["emotion"]);
    for (field, most) in [("scores", TOLERANCE), ("keypoints", TOLERANCE * SIDE as f64)] {
        let [got, expected] = [&by_python, &line].map(|told| numbers(&told[field]));
        assert_eq!(got.len(), expected.len(), "{field}");
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() <= most, "{field}: {got} instead of {expected}");
        }
    }
}
