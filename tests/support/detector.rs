//! A network that finds faces, hardly trained: exported, quantised and bundled.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inference::picture::Picture;
use vision::face::{Detector, DetectorConfig};

use super::faces::photograph;
use super::programs::{program, run};
use super::trained::trained;

/// Size of the pictures that it is trained with.
pub(crate) const ROWS: usize = 64;
pub(crate) const COLUMNS: usize = 96;

/// What the command line made of it.
pub(crate) struct Made {
    pub(crate) onnx: PathBuf,
    pub(crate) int8: PathBuf,
    /// The bundle of the trained networks, with this detector in it.
    pub(crate) bundle: PathBuf,
}

/// Trains one in `folder` for two steps, on the group photograph.
pub(crate) fn detector(folder: &Path) -> Made {
    let at = |name: &str| folder.join(name);
    let [pictures, faces, trained_in] = ["pictures", "faces.csv", "detector-run"].map(at);
    let made = Made {
        onnx: at("detector.onnx"),
        int8: at("detector-int8.onnx"),
        bundle: at("with-detector"),
    };
    annotated(&pictures, &faces);
    let command = |action: &str| {
        let mut command = program("host-trainer");
        command.args([action, "detector"]);
        command
    };
    let with_data = |mut command: Command| {
        command.arg("--data").arg(&pictures).arg("--faces").arg(&faces);
        command
    };
    let mut train = with_data(command("train"));
    train.args(["--steps", "2", "--batch", "2", "--measure-every", "2", "--input"]);
    train.arg(format!("{COLUMNS}x{ROWS}")).arg("--out").arg(&trained_in);
    run(&mut train, 0);
    let mut export = command("export");
    run(export.arg("--run").arg(&trained_in).arg("--out").arg(&made.onnx), 0);
    let mut quantise = with_data(command("quantise"));
    quantise.args(["--samples", "4", "--run"]).arg(&trained_in);
    run(quantise.arg("--out").arg(&made.int8), 0);
    let mut bundle = program("host-trainer");
    bundle.arg("bundle").arg("--keypoints").arg(trained().bundle());
    bundle.arg("--emotion").arg(trained().bundle());
    bundle
        .arg("--detector")
        .arg(&trained_in)
        .arg("--detector-int8")
        .arg(&made.int8);
    bundle
        .arg("--detector-data")
        .arg(&pictures)
        .arg("--detector-faces")
        .arg(&faces);
    run(bundle.args(["--bundle-version", "2", "--out"]).arg(&made.bundle), 0);
    made
}

/// Two parts of the photograph, to train on and to measure on, with the faces that the cascade finds in them, and a picture
/// without a face.
fn annotated(pictures: &Path, faces: &Path) {
    let whole = image::open(photograph()).unwrap().to_luma8();
    let mut cascade = Detector::new(DetectorConfig::default()).unwrap();
    fs::create_dir(pictures).unwrap();
    let mut text = String::from("image,source,split,width,height,kind,x,y,w,h\n");
    for (name, split, left) in [("first.png", "train", 0), ("second.png", "held", 480)] {
        let path = pictures.join(name);
        let part = image::imageops::crop_imm(&whole, left, 0, 480, 360).to_image();
        part.save(&path).unwrap();
        let picture = Picture::decode(&fs::read(&path).unwrap()).unwrap();
        let gray = picture.gray().unwrap();
        let found = cascade.detect(gray);
        assert!(!found.is_empty(), "{name}");
        for face in &found {
            let bounds = face.bounds;
            writeln!(
                text,
                "{name},group,{split},{},{},hand,{},{},{},{}",
                gray.width(),
                gray.height(),
                bounds.x,
                bounds.y,
                bounds.w,
                bounds.h
            )
            .unwrap();
        }
    }
    let empty = image::GrayImage::from_fn(480, 360, |x, y| image::Luma([(x / 4 + y / 4) as u8]));
    empty.save(pictures.join("none.png")).unwrap();
    text += "none.png,group,train,480,360,none,,,,\n";
    fs::write(faces, text).unwrap();
}
