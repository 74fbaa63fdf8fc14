//! A whole bundle of tiny networks.

use std::fs;
use std::path::Path;

use sha2::Digest;
use shared_model::Text;
use shared_model::emotion::ClassSet;
use shared_model::image::{CropRule, Normalisation};
use shared_model::keypoints::COORDINATES;
use shared_model::manifest::{
    CONTRACT, Decision, EMOTION_NAME, FILE_NAME, KEYPOINTS_NAME, Manifest, ModelFile, Network, Precision, SCHEMA,
    Sha256, Split, Training,
};

use super::network;

/// Writes a bundle with the product's classes, temperature 2 and an emotion crop 1.5 times the box.
pub(crate) fn write_bundle(dir: &Path) -> Manifest {
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
        classes,
        combined: None,
    };
    fs::write(dir.join(FILE_NAME), serde_json::to_vec(&manifest).unwrap()).unwrap();
    manifest
}

fn write_network(dir: &Path, name: &str, length: usize, crop: CropRule) -> Network {
    let bytes = network::encode(&network::linear(name, length));
    let path = format!("{name}.onnx");
    fs::write(dir.join(&path), &bytes).unwrap();
    let file = ModelFile {
        path: text(&path),
        precision: Precision::F32,
        bytes: bytes.len() as u64,
        sha256: Sha256::from_bytes(&sha2::Sha256::digest(&bytes).into()),
        metrics: heapless::Vec::new(),
    };
    let nothing = Sha256::from_bytes(&[0; 32]);
    Network {
        architecture: text("linear"),
        parameters: (length * (shared_model::image::INPUT_LEN + 1)) as u32,
        normalisation: Normalisation::Unit,
        crop,
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

fn text<const N: usize>(value: &str) -> Text<N> {
    Text::try_from(value).unwrap()
}
