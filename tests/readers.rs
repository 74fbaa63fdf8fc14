//! Every file that the trainer writes, read by other programs: ONNX's checker, ONNX Runtime, OpenCV and tract.

use std::fs;
use std::path::{Path, PathBuf};

use shared_model::image::{INPUT_LEN, SIDE};
use tract_onnx::prelude::*;

use crate::path::onnx_runtime;
use crate::support::programs::{program, run};
use crate::support::trained::{TASKS, quantising, trained};

/// Faces that are computed together.
const BATCH: usize = 8;

/// Files of every command that writes one, with whether they hold integers.
fn files(folder: &Path) -> Vec<(PathBuf, bool)> {
    let mut files: Vec<_> = TASKS.iter().map(|task| (trained().onnx(task), false)).collect();
    files.extend(TASKS.iter().map(|task| (trained().int8(task), true)));
    for name in ["keypoints", "emotion", "combined"] {
        files.push((trained().bundle().join(name).with_extension("onnx"), false));
    }
    for name in ["keypoints-int8", "emotion-int8"] {
        files.push((trained().bundle().join(name).with_extension("onnx"), true));
    }
    let [both, both_int8] = ["both.onnx", "both-int8.onnx"].map(|name| folder.join(name));
    let [keypoints, emotion] = ["keypoints", "emotion"].map(|task| trained().run(task));
    let mut export = program("host-trainer");
    export.arg("export").arg(&keypoints).arg("--with").arg(&emotion);
    run(export.arg("--out").arg(&both), 0);
    let mut quantise = quantising(&keypoints, trained().data("keypoints"), &both_int8);
    run(quantise.arg("--with").arg(&emotion), 0);
    files.extend([(both, false), (both_int8, true)]);
    files
}

/// The outputs of some faces, each as rows of one face.
fn by_tract(onnx: &Path, faces: &[f32]) -> Vec<Vec<f32>> {
    let count = faces.len() / INPUT_LEN;
    let shape = [count, 1, SIDE, SIDE];
    let model = tract_onnx::onnx().model_for_path(onnx).unwrap();
    let model = model.with_input_fact(0, f32::fact(shape).into()).unwrap();
    let model = model.into_optimized().unwrap().into_runnable().unwrap();
    let input = tract_onnx::prelude::Tensor::from_shape(&shape, faces).unwrap();
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

#[test]
fn every_file_is_read_and_computed_alike_one_face_and_eight_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let face = trained().crop();
    // The other faces are the same, moved to the side.
    let faces: Vec<f32> = (0..BATCH)
        .flat_map(|by| {
            let rows = face.chunks_exact(SIDE);
            rows.flat_map(move |row| (0..SIDE).map(move |at| row[(at + by) % SIDE]))
                .collect::<Vec<_>>()
        })
        .collect();
    for (onnx, integers) in files(folder.path()) {
        let what = onnx.display().to_string();
        // Outputs of a network that was hardly trained are near zero, where a step of its integers is a larger share.
        let share = if integers { 0.05 } else { 1e-4 };
        let (alone, together) = (by_tract(&onnx, &face), by_tract(&onnx, &faces));
        for (alone, together) in alone.iter().zip(&together) {
            assert_eq!(together.len(), BATCH * alone.len(), "{what}");
            near(&what, &together[..alone.len()], alone, share);
        }
        let Some(others) = onnx_runtime(&onnx, &face) else {
            continue;
        };
        assert_eq!(others.len(), alone.len(), "{what}");
        for (alone, other) in alone.iter().zip(&others) {
            let other: Vec<f32> = other.iter().map(|value| *value as f32).collect();
            near(&what, alone, &other, share);
        }
    }
}

#[test]
fn no_file_of_the_bundle_is_left_out_of_the_test() {
    let named = ["keypoints", "emotion", "combined", "keypoints-int8", "emotion-int8"];
    for entry in fs::read_dir(trained().bundle()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            path.extension() != Some("onnx".as_ref()) || named.contains(&name),
            "{name}"
        );
    }
}
