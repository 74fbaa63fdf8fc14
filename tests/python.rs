//! The documented Python code gives what the kiosk's runtime gives.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::faces;
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

/// Prints the scalars of a directory of event files: name, then step and value of each.
const SCALARS: &str = "\
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]).Reload()
names = events.Tags()['scalars']
print(json.dumps({name: [[own.step, own.value] for own in events.Scalars(name)] for name in names}))
";

#[test]
fn tensorboard_reads_the_curves_of_a_training_and_of_what_goes_on_with_it() {
    let has_it = |python: &std::ffi::OsString| {
        let found = Command::new(python).args(["-c", "import tensorboard"]).output();
        found.is_ok_and(|found| found.status.success())
    };
    let Some(python) = std::env::var_os("ONNX_PYTHON").filter(has_it) else {
        testing::skip("TensorBoard's own reader: ONNX_PYTHON has no tensorboard (./scripts/test installs it)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [recipe, logs, place] = ["small.toml", "logs", "mine"].map(|name| folder.path().join(name));
    fs::write(&recipe, "[architecture]\nstages = 1\n").unwrap();
    let mut train = program("host-trainer");
    train.args(["train", "emotion", "--epochs", "2", "--batch", "8", "--replicas", "1"]);
    train.arg("--data").arg(faces::write(folder.path()).emotion);
    train.arg("--recipe").arg(recipe).arg("--tensorboard").arg(&logs);
    run(train.arg("--out").arg(&place), 0);
    let mut longer = program("host-trainer");
    longer.args(["train", "emotion", "--resume", "--epochs", "3", "--out"]);
    run(longer.arg(&place), 0);

    let history = fs::read_to_string(place.join("history.csv")).unwrap();
    let rows: Vec<Vec<f64>> = history
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let scalars = |part: &str| -> Value {
        let mut reader = Command::new(&python);
        reader.args(["-c", SCALARS]).arg(logs.join("mine").join(part));
        serde_json::from_str(&run(&mut reader, 0).out).unwrap()
    };
    let [train, validation] = ["train", "validation"].map(scalars);
    assert_eq!([&train, &validation].map(|own| own.as_object().unwrap().len()), [3, 2]);
    // The columns of the history: epoch, loss, metric, validation_loss, validation_metric, learning_rate, seconds.
    for (told, name, column) in [
        (&train, "epoch_loss", 1),
        (&train, "epoch_accuracy", 2),
        (&train, "epoch_learning_rate", 5),
        (&validation, "epoch_loss", 3),
        (&validation, "epoch_accuracy", 4),
    ] {
        let told = told[name].as_array().unwrap();
        assert_eq!(told.len(), 3, "{name}");
        for (own, row) in told.iter().zip(&rows) {
            assert_eq!(own[0], row[0], "{name}");
            let (value, wanted) = (own[1].as_f64().unwrap(), row[column]);
            assert!(
                (value - wanted).abs() <= 1e-3 * wanted.abs() + 1e-6,
                "{name}: {value} instead of {wanted}"
            );
        }
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

#[test]
fn the_script_for_yunet_reads_its_cells_and_its_boxes_are_compared() {
    let Some(python) = std::env::var_os("ONNX_PYTHON") else {
        testing::skip("the script for YuNet: ONNX_PYTHON is not set (./scripts/test sets it)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    run(
        Command::new(&python)
            .arg(root().join("tests/fixtures/tiny_yunet.py"))
            .arg(path("yunet.onnx")),
        0,
    );
    fs::write(path("a.pgm"), [b"P5 128 96 255\n".as_slice(), &[0; 128 * 96]].concat()).unwrap();
    let faces = "image,source,split,width,height,kind,x,y,w,h\n\
                 a.pgm,s,held,128,96,hand,40,12,32,48\n\
                 a.pgm,s,held,128,96,hand,32,32,64,64\n";
    fs::write(path("faces.csv"), faces).unwrap();
    let mut script = Command::new(python);
    script
        .arg(root().join("scripts/predict-yunet.py"))
        .arg("--onnx")
        .arg(path("yunet.onnx"));
    script
        .arg("--data")
        .arg(folder.path())
        .arg("--faces")
        .arg(path("faces.csv"));
    run(script.args(["--input", "64x64", "--out"]).arg(path("other.csv")), 0);
    // The picture is twice as large as the input; one box of two that are the same stays, and none that is doubtful.
    let boxes = fs::read_to_string(path("other.csv")).unwrap();
    let expected = "a.pgm,40.00,12.00,32.00,48.00,0.90000\na.pgm,32.00,32.00,64.00,64.00,0.50000\n";
    assert_eq!(
        boxes.replace('\r', ""),
        format!("image,x,y,width,height,score\n{expected}")
    );

    let mut evaluate = program("host-trainer");
    evaluate.args(["evaluate", "detector", "--onnx"]);
    evaluate.arg(root().join("edge-runtime/models/default/detector-int8.onnx"));
    evaluate
        .arg("--data")
        .arg(folder.path())
        .arg("--faces")
        .arg(path("faces.csv"));
    let lines = run(evaluate.arg("--predictions").arg(path("other.csv")), 0).lines();
    let average_precision = |line: &Value| line["figures"]["average_precision"].as_f64().unwrap();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["input"].as_str().unwrap(), average_precision(line)))
        .collect();
    let other = path("other.csv");
    let other = other.to_str().unwrap();
    assert_eq!(told, [("160x120", 0.0), ("160x120", 0.0), (other, 1.0), (other, 1.0)]);
}
