//! What the bundle that knows Neutral says of people like a kiosk's visitors, so that no later one falls behind unseen.
//!
//! Judged are the portraits of the Face Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0) in `../shared/data`:
//! people with a neutral face, and the same people smiling, found by the runtime's own detector.

use std::fs;
use std::path::{Path, PathBuf};

use inference::Predictor;
use inference::bundle::Bundle;
use inference::picture::Picture;
use shared_model::image::Rect;
use vision::face::{Detector, DetectorConfig, largest};

use crate::support::faces::shared;
use crate::support::programs::root;

fn bundle() -> Bundle {
    Bundle::open(&root().join("edge-runtime/models/neutral")).unwrap()
}

fn london(folder: &str) -> Option<Vec<PathBuf>> {
    let Some(data) = shared() else {
        testing::skip("portraits of people: there is no ../shared/data");
        return None;
    };
    let entries = fs::read_dir(data.join("london").join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 51);
    Some(files)
}

fn read(file: &Path) -> Picture {
    Picture::decode(&fs::read(file).unwrap()).unwrap()
}

fn face_in(picture: &Picture) -> Option<Rect> {
    let config = DetectorConfig {
        min_face_px: 60.0,
        ..DetectorConfig::default()
    };
    let faces = Detector::new(config).unwrap().detect(picture.gray().unwrap());
    largest(&faces).map(|face| face.bounds)
}

/// What is told of each portrait that the detector finds: the top class, if its score reaches the bundle's threshold.
fn told(folder: &str) -> Option<Vec<Option<String>>> {
    let bundle = bundle();
    let manifest = bundle.manifest();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let judged = london(folder)?.into_iter().filter_map(|file| {
        let picture = read(&file);
        let crops = predictor.crops(&face_in(&picture)?);
        let scores = predictor.predict(picture.gray().unwrap(), &crops).unwrap().scores;
        let (class, score) = scores.top().unwrap();
        let label = manifest.classes.label(class).unwrap().to_owned();
        Some((score >= manifest.decision.abstain_below).then_some(label))
    });
    Some(judged.collect())
}

#[test]
fn neutral_people_are_told_no_emotion() {
    let Some(told) = told("neutral") else { return };
    assert!(told.len() >= 48, "{} of 51 faces are found", told.len());
    let wrong: Vec<_> = told.iter().flatten().filter(|label| *label != "Neutral").collect();
    assert!(wrong.len() <= MOST_TOLD, "{wrong:?}");
}

#[test]
fn smiling_people_are_told_happy() {
    let Some(told) = told("smiling") else { return };
    let happy = told.iter().flatten().filter(|label| *label == "Happy").count();
    assert!(happy >= LEAST_HAPPY, "{happy} of {}", told.len());
}

/// Portraits of neutral people that may be told an emotion; none is.
const MOST_TOLD: usize = 2;

/// Portraits of smiling people that must be told Happy: 32 are. Many smile with closed lips.
const LEAST_HAPPY: usize = 30;
