//! A whole bundle of tiny networks.

use std::fs;
use std::path::Path;

use sha2::Digest;
use shared_model::Text;
use shared_model::emotion::ClassSet;
use shared_model::image::{CropRule, INPUT_LEN, Normalisation, SIDE};
use shared_model::keypoints::COORDINATES;
use shared_model::manifest::{
    CONTRACT, Decision, Detector, DetectorTraining, EMOTION_NAME, FILE_NAME, GoldenFile, InputSize, KEYPOINTS_NAME,
    Manifest, ModelFile, Network, OutputMap, PixelNormalisation, Precision, SCHEMA, Sha256, Split, Training,
};

use super::network;
use inference::{FaceNetwork, Golden, GoldenOutputs, GoldenPicture, Output, Setup};

/// Writes a bundle with the product's classes, temperature 2 and an emotion crop 1.5 times the box.
pub fn write_bundle(dir: &Path) -> Manifest {
    let classes = ClassSet::product();
    let emotion_crop = CropRule {
        scale: 1.5,
        ..CropRule::IDENTITY
    };
    let manifest = Manifest {
        schema: SCHEMA,
        contract: CONTRACT,
        name: text("test"),
        version: 1,
        commit: text("unknown"),
        decision: Decision {
            temperature: 2.0,
            abstain_below: 0.3,
        },
        keypoints: write_network(dir, KEYPOINTS_NAME, COORDINATES, CropRule::IDENTITY),
        emotion: write_network(dir, EMOTION_NAME, classes.len(), emotion_crop),
        golden: write_golden(dir, classes.len()),
        classes,
        combined: None,
        detector: None,
    };
    write_manifest(dir, &manifest);
    manifest
}

/// Adds an 8-bit file of the emotion network: the other file under another name, which is enough to be chosen.
pub fn add_int8_emotion(dir: &Path) {
    fs::copy(dir.join("emotion.onnx"), dir.join("emotion-int8.onnx")).unwrap();
    let mut golden: Golden = serde_json::from_slice(&fs::read(dir.join("golden.json")).unwrap()).unwrap();
    let mut outputs = golden.outputs[1].clone();
    outputs.precision = Precision::Int8;
    golden.outputs.push(outputs);
    fs::write(dir.join("golden.json"), serde_json::to_vec(&golden).unwrap()).unwrap();
    let json = fs::read(dir.join(FILE_NAME)).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&json).unwrap();
    let mut file = manifest.emotion.files[0].clone();
    (file.path, file.precision) = (text("emotion-int8.onnx"), Precision::Int8);
    manifest.emotion.files.push(file).unwrap();
    write_manifest(dir, &manifest);
    rehash(dir, "golden.json");
}

/// Lets a network see each face mirrored as well; `name` is that of its output.
pub fn mirror(dir: &Path, name: &str) {
    let json = fs::read(dir.join(FILE_NAME)).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&json).unwrap();
    let classes = manifest.classes.len();
    let (network, output) = if name == KEYPOINTS_NAME {
        (&mut manifest.keypoints, Output::Keypoints)
    } else {
        (&mut manifest.emotion, Output::Emotion { classes })
    };
    network.mirrored = true;
    let setup = Setup::of(network, output);
    write_manifest(dir, &manifest);
    let mut golden: Golden = serde_json::from_slice(&fs::read(dir.join("golden.json")).unwrap()).unwrap();
    golden.outputs.retain(|outputs| outputs.network != name);
    let onnx = fs::read(dir.join(format!("{name}.onnx"))).unwrap();
    let mut network = FaceNetwork::load(onnx, setup).unwrap();
    golden.record(&mut network, Precision::F32).unwrap();
    fs::write(dir.join("golden.json"), serde_json::to_vec(&golden).unwrap()).unwrap();
    rehash(dir, "golden.json");
}

/// Brings size and hash of a file in the manifest up to date.
pub fn rehash(dir: &Path, file: &str) {
    let json = fs::read(dir.join(FILE_NAME)).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&json).unwrap();
    let content = fs::read(dir.join(file)).unwrap();
    let (bytes, sha256) = (content.len() as u64, hash(&content));
    if manifest.golden.path == file {
        manifest.golden = GoldenFile {
            bytes,
            sha256,
            ..manifest.golden
        };
    } else {
        let networks = manifest.keypoints.files.iter_mut().chain(&mut manifest.emotion.files);
        let mut files = networks.chain(manifest.detector.iter_mut().flat_map(|detector| &mut detector.files));
        let entry = files.find(|entry| entry.path == file).unwrap();
        (entry.bytes, entry.sha256) = (bytes, sha256);
    }
    write_manifest(dir, &manifest);
}

pub(super) fn write_manifest(dir: &Path, manifest: &Manifest) {
    fs::write(dir.join(FILE_NAME), serde_json::to_vec(manifest).unwrap()).unwrap();
}

/// One picture, brighter to the right and downwards, with what the networks' weights make of it.
fn write_golden(dir: &Path, classes: usize) -> GoldenFile {
    let pixels: Vec<u8> = (0..INPUT_LEN).map(|at| (at % SIDE + at / SIDE) as u8).collect();
    let input: Vec<f32> = pixels.iter().map(|value| f32::from(*value) / 255.0).collect();
    let outputs = [(KEYPOINTS_NAME, COORDINATES), (EMOTION_NAME, classes)].map(|(name, length)| GoldenOutputs {
        network: name.to_owned(),
        precision: Precision::F32,
        values: vec![network::expected(&input, length)],
    });
    let golden = Golden {
        pictures: vec![GoldenPicture::new("ramp", &pixels)],
        outputs: outputs.into(),
        meaning: None,
        seal: None,
    };
    let json = serde_json::to_vec(&golden).unwrap();
    fs::write(dir.join("golden.json"), &json).unwrap();
    GoldenFile {
        path: text("golden.json"),
        bytes: json.len() as u64,
        sha256: hash(&json),
    }
}

pub(super) fn hash(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(&sha2::Sha256::digest(bytes).into())
}

fn write_network(dir: &Path, name: &str, length: usize, crop: CropRule) -> Network {
    let bytes = network::encode(&network::linear(name, length));
    let path = format!("{name}.onnx");
    fs::write(dir.join(&path), &bytes).unwrap();
    let file = ModelFile {
        path: text(&path),
        precision: Precision::F32,
        bytes: bytes.len() as u64,
        sha256: hash(&bytes),
        metrics: heapless::Vec::new(),
    };
    let nothing = Sha256::from_bytes(&[0; 32]);
    Network {
        architecture: text("linear"),
        parameters: (length * (INPUT_LEN + 1)) as u32,
        normalisation: Normalisation::Unit,
        crop,
        mirrored: false,
        files: [file].into_iter().collect(),
        training: Training {
            seed: 0,
            epochs: 0,
            rows: 0,
            data: nothing.clone(),
            held_out: nothing,
            split: Split {
                by: Text::new(),
                test: 0.0,
                validation: 0.0,
            },
        },
    }
}

/// What a manifest says of a detector with heads at strides 8 (with a finer grid as well), 16 and 32; it has no file.
pub fn detector_entry() -> Detector {
    let map = |(head, stride, grids): (usize, u32, &[u32])| OutputMap {
        name: text(&format!("faces{head}")),
        stride,
        grids: heapless::Vec::from_slice(grids).unwrap(),
    };
    let size = InputSize {
        width: 160,
        height: 120,
    };
    let nothing = Sha256::from_bytes(&[0; 32]);
    Detector {
        architecture: text("plain"),
        parameters: 0,
        normalisation: PixelNormalisation {
            mean: 128.0,
            spread: 128.0,
        },
        outputs: [(0, 8, &[1, 2][..]), (1, 16, &[1]), (2, 32, &[1])]
            .into_iter()
            .map(map)
            .collect(),
        score: 0.5,
        overlap: 0.4,
        trained_at: size,
        measured_at: [size].into_iter().collect(),
        files: heapless::Vec::new(),
        training: DetectorTraining {
            seed: 0,
            steps: 0,
            samples: 0,
            pictures: 0,
            data: nothing.clone(),
            held_out: nothing,
        },
    }
}

fn text<const N: usize>(value: &str) -> Text<N> {
    Text::try_from(value).unwrap()
}
