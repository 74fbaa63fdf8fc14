//! Every file that the trainer writes, read by other programs: ONNX's checker, ONNX Runtime, OpenCV 4 and 5 and tract.

use std::fs;
use std::path::{Path, PathBuf};

use shared_model::image::{INPUT_LEN, SIDE};
use tract_onnx::prelude::*;

use crate::path::onnx_runtime_of;
use crate::support::detector::{COLUMNS, ROWS, detector};
use crate::support::programs::{program, root, run};
use crate::support::trained::{TASKS, quantising, trained};

/// Pictures that are computed together.
const BATCH: usize = 8;

/// A file, and what it takes.
struct Written {
    onnx: PathBuf,
    integers: bool,
    rows: usize,
    columns: usize,
}

impl Written {
    fn face(onnx: PathBuf, integers: bool) -> Self {
        Self {
            onnx,
            integers,
            rows: SIDE,
            columns: SIDE,
        }
    }

    fn picture(onnx: PathBuf, integers: bool) -> Self {
        Self {
            onnx,
            integers,
            rows: ROWS,
            columns: COLUMNS,
        }
    }
}

/// The networks for faces of every command that writes one.
fn of_faces(folder: &Path) -> Vec<Written> {
    let in_bundle = |bundle: PathBuf, name: &str, integers| {
        let onnx = bundle.join(name).with_extension("onnx");
        Written::face(onnx, integers)
    };
    let exported = TASKS.iter().map(|task| Written::face(trained().onnx(task), false));
    let mut files: Vec<Written> = exported.collect();
    files.extend(TASKS.iter().map(|task| Written::face(trained().int8(task), true)));
    for name in ["keypoints", "emotion", "combined"] {
        files.push(in_bundle(trained().bundle(), name, false));
    }
    for name in ["keypoints-int8", "emotion-int8"] {
        files.push(in_bundle(trained().bundle(), name, true));
    }
    for task in TASKS {
        files.push(in_bundle(default_bundle(), task, false));
        files.push(in_bundle(default_bundle(), &format!("{task}-int8"), true));
    }
    let [both, both_int8] = ["both.onnx", "both-int8.onnx"].map(|name| folder.join(name));
    let [keypoints, emotion] = ["keypoints", "emotion"].map(|task| trained().run(task));
    let mut export = program("host-trainer");
    export.arg("export").arg(&keypoints).arg("--with").arg(&emotion);
    run(export.arg("--out").arg(&both), 0);
    let mut quantise = quantising(&keypoints, trained().data("keypoints"), &both_int8);
    run(quantise.arg("--with").arg(&emotion), 0);
    files.extend([Written::face(both, false), Written::face(both_int8, true)]);
    files
}

/// The networks that find faces: exported, quantised, bundled, and the default bundle's. Those beside it in the new bundle
/// were taken over from another one.
fn of_pictures(folder: &Path) -> Vec<Written> {
    let made = detector(folder);
    let mut files = vec![Written::picture(made.onnx, false), Written::picture(made.int8, true)];
    for bundle in [&made.bundle, &default_bundle()] {
        files.push(Written::picture(bundle.join("detector.onnx"), false));
        files.push(Written::picture(bundle.join("detector-int8.onnx"), true));
    }
    files.extend(TASKS.map(|task| Written::face(made.bundle.join(format!("{task}-int8.onnx")), true)));
    files
}

fn default_bundle() -> PathBuf {
    root().join("edge-runtime/models/default")
}

/// The outputs of some pictures, each as rows of one picture.
fn by_tract(file: &Written, pictures: &[f32]) -> Vec<Vec<f32>> {
    let Written { rows, columns, .. } = *file;
    let shape = [pictures.len() / (rows * columns), 1, rows, columns];
    let model = tract_onnx::onnx().model_for_path(&file.onnx).unwrap();
    let model = model.with_input_fact(0, f32::fact(shape).into()).unwrap();
    let model = model.into_optimized().unwrap().into_runnable().unwrap();
    let input = tract_onnx::prelude::Tensor::from_shape(&shape, pictures).unwrap();
    let outputs = model.run(tvec!(input.into())).unwrap();
    let values = outputs
        .iter()
        .map(|output| output.to_plain_array_view::<f32>().unwrap().iter().copied().collect());
    values.collect()
}

fn near(what: &str, got: &[f32], expected: &[f32], share: f32) {
    let largest = expected
        .iter()
        .fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    let apart = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    let apart = apart.fold(0.0, f32::max);
    assert!(apart <= share * largest, "{what}: {apart} apart, of {largest}");
}

/// Reads a file with every program, and compares what they make of one picture and of eight.
fn alike(file: &Written, picture: &[f32]) {
    // The other pictures are the same, moved to the side.
    let columns = file.columns;
    let moved = |by: usize| {
        let rows = picture.chunks_exact(columns);
        rows.flat_map(move |row| (0..columns).map(move |at| row[(at + by) % columns]))
    };
    let pictures: Vec<f32> = (0..BATCH).flat_map(moved).collect();
    let what = file.onnx.display().to_string();
    // Outputs of a network that was hardly trained are near zero, where a step of its integers is a larger share.
    let share = if file.integers { 0.05 } else { 1e-4 };
    let (alone, together) = (by_tract(file, picture), by_tract(file, &pictures));
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(together.len(), BATCH * alone.len(), "{what}");
        near(&what, &together[..alone.len()], alone, share);
    }
    let Some(others) = onnx_runtime_of(&file.onnx, picture, [file.rows, file.columns]) else {
        return;
    };
    assert_eq!(others.len(), alone.len(), "{what}");
    for (alone, other) in alone.iter().zip(&others) {
        let other: Vec<f32> = other.iter().map(|value| *value as f32).collect();
        assert_eq!(other.len(), alone.len(), "{what}");
        near(&what, alone, &other, share);
    }
}

/// A face in a picture of the size that detectors take, as they take it.
fn scene() -> Vec<f32> {
    let face = trained().crop();
    assert_eq!(face.len(), INPUT_LEN);
    let value = |row: usize, column: usize| face[row * SIDE / ROWS * SIDE + column * SIDE / COLUMNS];
    let places = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    places
        .map(|(row, column)| (value(row, column) * 255.0 - 128.0) / 128.0)
        .collect()
}

#[test]
fn every_file_is_read_and_computed_alike_one_face_and_eight_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    for file in of_faces(folder.path()) {
        alike(&file, &trained().crop());
    }
}

#[test]
fn every_detector_is_read_and_computed_alike_one_picture_and_eight_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    for file in of_pictures(folder.path()) {
        let picture = if file.rows == SIDE { trained().crop() } else { scene() };
        alike(&file, &picture);
    }
}

#[test]
fn no_file_of_the_bundles_is_left_out_of_the_test() {
    let named = [
        "keypoints",
        "emotion",
        "combined",
        "keypoints-int8",
        "emotion-int8",
        "detector",
        "detector-int8",
    ];
    for bundle in [trained().bundle(), default_bundle()] {
        for entry in fs::read_dir(bundle).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                path.extension() != Some("onnx".as_ref()) || named.contains(&name),
                "{name}"
            );
        }
    }
}
