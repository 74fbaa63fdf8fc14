//! What the bundle that knows Neutral says of people like a kiosk's visitors, so that no later one falls behind unseen.
//!
//! Judged are the portraits of the Face Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0) in `../shared/data`:
//! people with a neutral face, and the same people smiling, found by the runtime's own detector.

use std::fs;
use std::path::{Path, PathBuf};

use edge_runtime::decide::{DecideConfig, Decider, Observation};
use inference::Predictor;
use inference::bundle::Bundle;
use inference::picture::Picture;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use shared_model::image::{GrayView, Rect};
use shared_model::message::Verdict;
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

/// A camera's view of a portrait: moved, nearer or farther, brighter or darker, with noise.
fn view(portrait: GrayView<'_>, rng: &mut ChaCha8Rng) -> Picture {
    let (width, height) = (portrait.width(), portrait.height());
    let scale = rng.random_range(0.97..1.03_f32);
    let (dx, dy) = (rng.random_range(-4.0..4.0_f32), rng.random_range(-4.0..4.0_f32));
    let light = rng.random_range(0.85..1.15_f32);
    let at = |x: usize, y: usize| {
        let from = |at: usize, side: usize, shift: f32| {
            let half = side as f32 / 2.0;
            ((at as f32 - half) * scale + half + shift).clamp(0.0, side as f32 - 1.0) as usize
        };
        f32::from(portrait.row(from(y, height, dy))[from(x, width, dx)])
    };
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let noise = rng.random_range(-6.0..6.0_f32);
            pixels.push((at(x, y) * light + noise).clamp(0.0, 255.0) as u8);
        }
    }
    Picture::from_gray(pixels, width, height).unwrap()
}

/// Twelve people, 30 seconds each at ten frames a second.
#[test]
fn who_keeps_a_neutral_face_is_told_an_emotion_in_one_percent_of_the_time_at_most() {
    const STEP_MS: u64 = 100;
    let Some(files) = london("neutral") else { return };
    let bundle = bundle();
    let manifest = bundle.manifest();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let (mut frames, mut emotional) = (0, 0);
    for (person, file) in files.iter().step_by(4).take(12).enumerate() {
        let portrait = read(file);
        let Some(face) = face_in(&portrait) else { continue };
        let crops = predictor.crops(&face);
        let mut rng = ChaCha8Rng::seed_from_u64(person as u64);
        let limit = manifest.decision.abstain_below;
        let mut decider = Decider::new(DecideConfig::default(), manifest.classes.clone(), limit).unwrap();
        for frame in 0..300 {
            let picture = view(portrait.gray().unwrap(), &mut rng);
            let scores = predictor.predict(picture.gray().unwrap(), &crops).unwrap().scores;
            decider.observe(frame * STEP_MS, &Observation::Face(scores));
            frames += 1;
            let verdict = decider.verdict();
            emotional += usize::from(matches!(&verdict, Verdict::Emotion(label) if label.as_str() != "Neutral"));
        }
    }
    assert!(frames >= 3000, "{frames} frames");
    assert!(emotional * 100 <= frames, "{emotional} of {frames} frames");
}

/// Portraits of neutral people that may be told an emotion; none is.
const MOST_TOLD: usize = 2;

/// Portraits of smiling people that must be told Happy: 32 are. Many smile with closed lips.
const LEAST_HAPPY: usize = 30;
