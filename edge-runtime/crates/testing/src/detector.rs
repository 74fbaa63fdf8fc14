//! A detector that sees bright spots, as a real ONNX file, and a bundle that has it.

use std::fs;
use std::path::Path;

use inference::{DetectorNetwork, Golden};
use shared_model::Text;
use shared_model::manifest::{DETECTOR_CONTRACT, Detector, FILE_NAME, Manifest, ModelFile, Precision};

use super::bundle::{detector_entry, hash, rehash, write_bundle, write_manifest};
use super::network;

/// Side in pixels of the input of the box that it gives for each spot; the spots themselves have half of it.
pub const SPOT_BOX: f32 = 32.0;

/// Writes the bundle of [`write_bundle`], and a detector that takes bright spots of 16 pixels for faces.
pub fn write_bundle_with_detector(dir: &Path) -> Manifest {
    write_bundle(dir);
    let onnx = network::encode(&network::bright_spots());
    fs::write(dir.join("detector.onnx"), &onnx).unwrap();
    let json = fs::read(dir.join(FILE_NAME)).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&json).unwrap();
    let entry = bright_spots(&onnx);
    let mut golden: Golden = serde_json::from_slice(&fs::read(dir.join("golden.json")).unwrap()).unwrap();
    let mut detector = DetectorNetwork::load(onnx, &entry, Precision::F32).unwrap();
    golden.record_detector(&mut detector).unwrap();
    fs::write(dir.join("golden.json"), serde_json::to_vec(&golden).unwrap()).unwrap();
    (manifest.contract, manifest.detector) = (DETECTOR_CONTRACT, Some(entry));
    write_manifest(dir, &manifest);
    rehash(dir, "golden.json");
    serde_json::from_slice(&fs::read(dir.join(FILE_NAME)).unwrap()).unwrap()
}

/// What a manifest says of the detector of [`network::bright_spots`].
pub fn bright_spots(onnx: &[u8]) -> Detector {
    let file = ModelFile {
        path: text("detector.onnx"),
        precision: Precision::F32,
        bytes: onnx.len() as u64,
        sha256: hash(onnx),
        metrics: heapless::Vec::new(),
    };
    Detector {
        architecture: text("bright spots"),
        files: [file].into_iter().collect(),
        ..detector_entry()
    }
}

fn text<const N: usize>(value: &str) -> Text<N> {
    Text::try_from(value).unwrap()
}
