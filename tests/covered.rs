//! Faces behind masks: how the filter that tells them is learnt, and whether it tells them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use host_trainer::detector::data::{Face, Kind, Part, Photo, Set};
use inference::Predictor;
use inference::bundle::Bundle;
use inference::picture::Picture;
use serde_json::Value;
use shared_model::image::{GrayView, Rect};
use shared_model::keypoints::{Keypoints, LEFT_EYE, RIGHT_EYE};
use vision::locate::{Faces, Locator};
use vision::tracking::covered::{Covered, FEATURES};

use crate::people::{portraits, verdicts};
use crate::support::faces::shared;
use crate::support::programs::root;
use crate::support::visitors::standing;

/// Smallest face that is searched, in pixels: smaller ones are not judged by the filter.
const LEAST_PX: f32 = 50.0;
/// Share of the uncovered faces for training that are taken for covered; each then is not judged for a moment.
const FALSE_SHARE: f64 = 0.012;
/// Ridge of the regression, of standardised features: of 10, 100 and 300 the one that tells most.
const RIDGE: f64 = 100.0;
/// Parts of the cross-validation; a group of the data set lies in one.
const FOLDS: u64 = 5;

/// A face that the default bundle finds in the data set.
struct Sample {
    features: [f32; FEATURES],
    covered: bool,
    source: String,
    held: bool,
    fold: u64,
}

/// What the table says beyond boxes: for each picture its group, and the note on each box by its left and top edge.
#[derive(Default)]
struct Notes {
    group: String,
    boxes: Vec<([f32; 2], String)>,
}

fn notes(faces: &Path) -> HashMap<String, Notes> {
    let mut table = String::new();
    let packed = fs::File::open(faces).unwrap();
    let mut stream = ruzstd::decoding::StreamingDecoder::new(packed).unwrap();
    stream.read_to_string(&mut table).unwrap();
    let mut found: HashMap<String, Notes> = HashMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let notes = found.entry(cells[0].to_owned()).or_default();
        cells[2].clone_into(&mut notes.group);
        if let (Ok(x), Ok(y)) = (cells[7].parse(), cells[8].parse()) {
            notes.boxes.push(([x, y], cells[cells.len() - 1].to_owned()));
        }
    }
    found
}

/// Pictures of `prajna` that come from its folder of masked people.
fn masked_pictures(data: &Path) -> String {
    let unpacked = Command::new("gzip")
        .arg("-dc")
        .arg(data.join("detection/origin.csv.gz"))
        .output()
        .unwrap();
    let table = String::from_utf8(unpacked.stdout).unwrap();
    table.lines().filter(|line| line.contains("/with_mask/")).collect()
}

/// The annotated face that a box is of.
fn annotated<'a>(photo: &'a Photo, found: &Rect) -> Option<&'a Face> {
    let share = |face: &Face| {
        let [left, top, right, bottom] = face.bounds;
        found.overlap(&Rect {
            x: left,
            y: top,
            w: right - left,
            h: bottom - top,
        })
    };
    let best = photo.faces.iter().max_by(|a, b| share(a).total_cmp(&share(b)))?;
    (share(best) > 0.35).then_some(best)
}

/// Whether a face is covered, where the data set tells.
fn is_covered(photo: &Photo, face: &Face, notes: &Notes, masked: &str) -> Option<bool> {
    if face.kind == Kind::Ignore {
        return None;
    }
    match photo.source.as_str() {
        "maskcrop" => Some(true),
        "prajna" => Some(masked.contains(&photo.name)),
        "facemask853" => {
            let off = |place: &[f32; 2]| (place[0] - face.bounds[0]).abs() + (place[1] - face.bounds[1]).abs();
            let nearest = notes.boxes.iter().min_by(|a, b| off(&a.0).total_cmp(&off(&b.0)))?;
            match nearest.1.as_str() {
                "with_mask" => Some(true),
                "without_mask" => Some(false),
                _ => None,
            }
        }
        _ => Some(false),
    }
}

/// Faces of the data set, held-out ones among them.
fn samples(data: &Path) -> Vec<Sample> {
    let faces = data.join("detection/faces.csv.zst");
    let (notes, masked) = (notes(&faces), masked_pictures(data));
    let bundle = Bundle::open(&root().join("edge-runtime/models/default")).unwrap();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let mut locator = Locator::new(Faces::DetectByBundle(LEAST_PX)).unwrap();
    let mut covered = Covered::default();
    let mut samples = Vec::new();
    let pictures = data.join("detection/images.zip");
    for part in [Part::TrainedOn, Part::HeldOut] {
        // Groups of small faces, of which none is large enough.
        for photo in Set::read(&pictures, &faces, part).unwrap().photos {
            if photo.source == "wider" {
                continue;
            }
            let gray = photo.gray();
            let picture = GrayView::new(&gray.pixels, gray.width, gray.height).unwrap();
            for located in locator.all(picture, &mut predictor).unwrap() {
                let Some(face) = annotated(&photo, &located.bounds) else {
                    continue;
                };
                let Some(truth) = is_covered(&photo, face, &notes[&photo.name], &masked) else {
                    continue;
                };
                let prediction = predictor.predict(picture, &located.crops).unwrap();
                let Some(features) = covered.features(picture, &located.bounds, &prediction.keypoints) else {
                    continue;
                };
                let group = &notes[&photo.name].group;
                samples.push(Sample {
                    features: *features,
                    covered: truth,
                    source: photo.source.clone(),
                    held: photo.held,
                    fold: group
                        .bytes()
                        .fold(0u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte))
                        % FOLDS,
                });
            }
        }
    }
    samples
}

/// A filter: weights, then what is added.
struct Filter(Vec<f64>);

impl Filter {
    fn score(&self, sample: &Sample) -> f64 {
        let products = sample.features.iter().zip(&self.0).map(|(a, b)| f64::from(*a) * b);
        products.sum::<f64>() + self.0[FEATURES]
    }

    /// Logistic regression with a ridge, by Newton's method on standardised features.
    fn fit(samples: &[&Sample]) -> Self {
        let count = samples.len() as f64;
        let feature = |at: usize| samples.iter().map(move |sample| f64::from(sample.features[at]));
        let mean: Vec<f64> = (0..FEATURES).map(|at| feature(at).sum::<f64>() / count).collect();
        let spread = |at: usize| (feature(at).map(|value| (value - mean[at]).powi(2)).sum::<f64>() / count).sqrt();
        let spread: Vec<f64> = (0..FEATURES).map(|at| spread(at) + 1e-6).collect();
        let size = FEATURES + 1;
        let rows: Vec<Vec<f64>> = samples
            .iter()
            .map(|sample| {
                let standard = |at: usize| (f64::from(sample.features[at]) - mean[at]) / spread[at];
                (0..FEATURES).map(standard).chain([1.0]).collect()
            })
            .collect();
        let mut weights = vec![0.0; size];
        for _ in 0..12 {
            let mut slope: Vec<f64> = weights.iter().map(|weight| RIDGE * weight).collect();
            let mut bend = vec![vec![0.0; size]; size];
            for (row, sample) in rows.iter().zip(samples) {
                let score: f64 = row.iter().zip(&weights).map(|(a, b)| a * b).sum();
                let p = 1.0 / (1.0 + (-score).exp());
                let (off, weight) = (p - f64::from(u8::from(sample.covered)), p * (1.0 - p));
                for (at, value) in row.iter().enumerate() {
                    slope[at] += off * value;
                    let scaled = weight * value;
                    for (sum, other) in bend[at][..=at].iter_mut().zip(row) {
                        *sum += scaled * other;
                    }
                }
            }
            for (at, row) in bend.iter_mut().enumerate() {
                row[at] += RIDGE;
            }
            let step = solve(bend, slope);
            weights.iter_mut().zip(&step).for_each(|(weight, step)| *weight -= step);
            if step.iter().all(|step| step.abs() < 1e-6) {
                break;
            }
        }
        let mut filter: Vec<f64> = (0..FEATURES).map(|at| weights[at] / spread[at]).collect();
        let shift: f64 = filter.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum();
        filter.push(weights[FEATURES] - shift);
        Self(filter)
    }
}

/// A number as Rust's text, with four decimals at most.
fn literal(number: f64) -> String {
    format!("{:?}", ((number * 1e4).round() / 1e4) as f32)
}

/// Solves a symmetric positive system by Cholesky's method; of the matrix the lower half is read.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for row in 0..size {
        for column in 0..=row {
            let known: f64 = (0..column).map(|at| matrix[row][at] * matrix[column][at]).sum();
            let rest = matrix[row][column] - known;
            matrix[row][column] = if row == column {
                rest.sqrt()
            } else {
                rest / matrix[column][column]
            };
        }
        let known: f64 = (0..row).map(|at| matrix[row][at] * right[at]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|at| matrix[at][row] * right[at]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[test]
fn a_system_of_equations_is_solved() {
    let matrix = vec![vec![4.0, 0.0, 0.0], vec![2.0, 5.0, 0.0], vec![-2.0, 1.0, 6.0]];
    let solved = solve(matrix, vec![4.0 + 4.0 - 6.0, 2.0 + 10.0 + 3.0, -2.0 + 2.0 + 18.0]);
    for (found, expected) in solved.iter().zip([1.0, 2.0, 3.0]) {
        assert!((found - expected).abs() < 1e-12, "{solved:?}");
    }
}

/// Prints how many of some faces the filter takes for covered.
fn tell(name: &str, filter: &Filter, samples: &[&Sample]) {
    for covered in [true, false] {
        let all: Vec<_> = samples.iter().filter(|sample| sample.covered == covered).collect();
        if !all.is_empty() {
            let told = all.iter().filter(|sample| filter.score(sample) > 0.0).count();
            let kind = if covered { "covered" } else { "uncovered" };
            println!("{name}: {told} of {} {kind} faces are told covered", all.len());
        }
    }
}

#[test]
#[ignore = "takes minutes, and writes edge-runtime/crates/vision/src/tracking/covered_weights.rs"]
fn the_filter_for_covered_faces_is_learnt() {
    let Some(data) = shared() else {
        testing::skip_faces("the filter for covered faces: there is no ../shared/data");
        return;
    };
    let samples = samples(&data);
    let trained: Vec<&Sample> = samples.iter().filter(|sample| !sample.held).collect();
    let mut plain: Vec<f64> = Vec::new();
    for fold in 0..FOLDS {
        let (tried, fitted): (Vec<&Sample>, Vec<&Sample>) = trained.iter().partition(|sample| sample.fold == fold);
        let filter = Filter::fit(&fitted);
        plain.extend(
            tried
                .iter()
                .filter(|sample| !sample.covered)
                .map(|sample| filter.score(sample)),
        );
    }
    plain.sort_by(|a, b| b.total_cmp(a));
    let limit = plain[(FALSE_SHARE * plain.len() as f64) as usize];
    let mut filter = Filter::fit(&trained);
    filter.0[FEATURES] -= limit;
    println!("uncovered faces in the cross-validation: {}", plain.len());
    tell("trained on", &filter, &trained);
    let held: Vec<&Sample> = samples.iter().filter(|sample| sample.held).collect();
    tell("held out", &filter, &held);
    for source in ["facemask853", "prajna", "maskcrop", "lfw", "caltech"] {
        let held: Vec<&Sample> = held.iter().copied().filter(|sample| sample.source == source).collect();
        tell(source, &filter, &held);
    }

    let path = root().join("edge-runtime/crates/vision/src/tracking/covered_weights.rs");
    let mut text = fs::read_to_string(&path).unwrap();
    text.truncate(text.find("pub(super) const WEIGHTS").unwrap());
    writeln!(text, "pub(super) const WEIGHTS: [f32; {FEATURES}] = [").unwrap();
    for row in filter.0[..FEATURES].chunks(10) {
        let row: Vec<String> = row.iter().map(|weight| literal(*weight)).collect();
        writeln!(text, "    {},", row.join(", ")).unwrap();
    }
    writeln!(
        text,
        "];\n/// Added to the weighted sum, which is above 0 for covered faces."
    )
    .unwrap();
    writeln!(text, "pub(super) const OFFSET: f32 = {};", literal(filter.0[FEATURES])).unwrap();
    fs::write(&path, text).unwrap();
    println!("{} is written; run cargo fmt", path.display());
}

/// The portrait with a mask over mouth and nose, in one of six greys.
fn masked(picture: GrayView<'_>, keypoints: &Keypoints, number: usize) -> Picture {
    let ([lx, ly], [rx, ry]) = (keypoints.0[RIGHT_EYE], keypoints.0[LEFT_EYE]);
    let (across, middle) = ([rx - lx, ry - ly], [f32::midpoint(lx, rx), f32::midpoint(ly, ry)]);
    let square = across[0].powi(2) + across[1].powi(2);
    let grey = [25, 60, 110, 170, 215, 240][number % 6];
    let width = picture.width();
    let pixels = (0..width * picture.height()).map(|at| {
        let (x, y) = ((at % width) as f32 - middle[0], (at / width) as f32 - middle[1]);
        let (side, below) = (
            ((x * across[0] + y * across[1]) / square).abs(),
            (y * across[0] - x * across[1]) / square,
        );
        // In distances between the eyes: from the bridge of the nose to the chin, narrower there.
        let edge = 0.3 + 0.15 * side;
        let hidden = below > edge && below < 1.75 && side < 0.95 - 0.4 * (below - 1.0).max(0.0);
        if hidden {
            grey
        } else {
            picture.row(at / width)[at % width]
        }
    });
    Picture::from_gray(pixels.collect(), width, picture.height()).unwrap()
}

#[test]
fn nearly_all_portraits_with_a_mask_are_covered_and_none_without() {
    let bundle = Bundle::open(&root().join("edge-runtime/models/default")).unwrap();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let mut locator = Locator::new(Faces::DetectAsRun(60.0)).unwrap();
    let mut covered = Covered::default();
    let (mut found, mut told) = (0, 0);
    for folder in ["neutral", "smiling"] {
        let Some(portraits) = portraits(folder) else {
            return;
        };
        for (number, portrait) in portraits.iter().enumerate() {
            let portrait = Picture::decode(&fs::read(portrait).unwrap()).unwrap();
            let mut look = |picture: GrayView<'_>| {
                let located = locator.largest(picture, &mut predictor).unwrap()?;
                let keypoints = predictor.predict(picture, &located.crops).unwrap().keypoints;
                Some((covered.is_covered(picture, &located.bounds, &keypoints), keypoints))
            };
            let (plain, keypoints) = look(portrait.gray().unwrap()).unwrap();
            assert!(!plain, "{folder} {number}");
            let masked = masked(portrait.gray().unwrap(), &keypoints, number);
            if let Some((is_covered, _)) = look(masked.gray().unwrap()) {
                found += 1;
                told += i32::from(is_covered);
            }
        }
    }
    println!("{told} of {found} masked portraits that are found are told covered");
    assert!(found >= 95 && told * 100 >= found * 93, "{told} of {found}");
}

#[test]
fn somebody_who_smiles_behind_a_mask_is_told_no_emotion_and_why() {
    let Some(portraits) = portraits("smiling") else {
        return;
    };
    let portrait = Picture::decode(&fs::read(&portraits[1]).unwrap()).unwrap();
    let bundle = Bundle::open(&root().join("edge-runtime/models/default")).unwrap();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let picture = portrait.gray().unwrap();
    let mut locator = Locator::new(Faces::DetectAsRun(60.0)).unwrap();
    let located = locator.largest(picture, &mut predictor).unwrap().unwrap();
    let keypoints = predictor.predict(picture, &located.crops).unwrap().keypoints;
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.y4m");
    let told = |portrait: &Picture| {
        fs::write(&film, standing(portrait, 1)).unwrap();
        let lines = verdicts(&film);
        let word = |line: &Value, field: &str| line[field].as_str().map(str::to_owned);
        let both = lines.iter().map(|line| (word(line, "emotion"), word(line, "reason")));
        both.collect::<Vec<_>>()
    };
    let happy = |told: &[(Option<String>, Option<String>)]| told.iter().any(|it| it.0.as_deref() == Some("Happy"));
    assert!(happy(&told(&portrait)));
    let behind = told(&masked(picture, &keypoints, 3));
    assert!(!happy(&behind), "{behind:?}");
    assert!(behind.iter().any(|it| it.1.as_deref() == Some("covered")), "{behind:?}");
}
