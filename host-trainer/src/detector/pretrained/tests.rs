use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use testing::bundle::write_bundle;
use testing::detector::write_bundle_with_detector;

use super::*;
use crate::detector::compose::tests::photos;
use crate::detector::config::DetectorConfig;
use crate::detector::data::Set;
use crate::detector::engine::Trained;
use crate::detector::evaluate::{Detector, Task};
use crate::detector::export::onnx;
use crate::detector::network::outputs;
use crate::onnx::graph::Weight;

const INPUT: [usize; 2] = [64, 48];
const SIZE: Plane = Plane { columns: 64, rows: 48 };
const IMAGES: usize = 32;

fn config() -> DetectorConfig {
    DetectorConfig {
        input: INPUT,
        ..DetectorConfig::default()
    }
}

/// A file of a network with norms that do something, as a training leaves them.
fn file() -> (Vec<u8>, Folded) {
    let config = DetectorConfig::default();
    let mut checkpoint = Checkpoint::new(config, String::new());
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let weights = &mut checkpoint.weights;
    for range in param_ranges(&layers()).0 {
        let mut vary = |values: &mut [f32], from: f32, to: f32| {
            for value in values {
                *value = rng.random_range(from..to);
            }
        };
        vary(&mut weights.average[range.gamma], 0.3, 1.2);
        vary(&mut weights.average[range.beta], -0.3, 0.3);
        vary(&mut weights.average_statistics[range.mean], -0.2, 0.2);
        vary(&mut weights.average_statistics[range.variance], 0.2, 3.0);
    }
    let detector = Detector::of(&checkpoint);
    let layers = detector.layers().to_vec();
    (onnx(&detector), Folded { layers })
}

/// Largest difference of two networks' answers, in logits and strides.
fn farthest<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f32 {
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_file_is_read_as_the_network_that_was_written() {
    let (onnx, written) = file();
    let read = folded(&onnx).unwrap();
    for (read, written) in read.layers.iter().zip(&written.layers) {
        assert_eq!(read.layer, written.layer);
        assert_eq!((&read.weight, &read.bias), (&written.weight, &written.bias));
    }
}

#[test]
fn what_a_training_begins_with_answers_as_the_file_in_use_and_nearly_so_in_training() {
    let network = folded(&file().0).unwrap();
    let photos = photos();
    let composer = Composer::new(&photos, &config()).unwrap();
    let (params, mut statistics) = unfolded(&network, &composer, INPUT);
    let layers = layers();
    let begun = Folded::new(&layers, &params, &statistics);
    let samples: Vec<Vec<f32>> = (0..IMAGES)
        .map(|place| {
            let pixels = composer.sample(7, place).pixels;
            pixels.into_iter().map(|pixel| (pixel - MEAN) / SPREAD).collect()
        })
        .collect();
    let wanted: Vec<_> = samples.iter().map(|sample| network.run(sample, SIZE)).collect();
    for (sample, wanted) in samples.iter().zip(&wanted) {
        for ((found, _), (wanted, _)) in begun.run(sample, SIZE).iter().zip(wanted) {
            assert!(farthest(found.iter().zip(wanted)) < 1e-3);
        }
    }
    let mut trained = Trained::new(&layers, SIZE, IMAGES);
    trained.input().copy_from_slice(&samples.concat());
    trained.forward(&params, &mut statistics);
    for (head, layer) in outputs(&layers).into_iter().enumerate() {
        let found = trained.output(layer).0;
        let wanted: Vec<f32> = wanted.iter().flat_map(|maps| maps[head].0.clone()).collect();
        let spread = |values: &[f32], middle: f32| {
            let sum = values.iter().map(|value| (value - middle).powi(2)).sum::<f32>();
            (sum / values.len() as f32).sqrt()
        };
        let differences: Vec<f32> = found.iter().zip(&wanted).map(|(a, b)| a - b).collect();
        let mean = wanted.iter().sum::<f32>() / wanted.len() as f32;
        assert!(
            spread(&differences, 0.0) < 0.25 * spread(&wanted, mean),
            "head {head}: {} of {}",
            spread(&differences, 0.0),
            spread(&wanted, mean)
        );
    }
}

#[test]
fn weights_are_as_large_as_those_of_a_new_network() {
    let network = folded(&file().0).unwrap();
    let photos = photos();
    let composer = Composer::new(&photos, &config()).unwrap();
    let (params, _) = unfolded(&network, &composer, INPUT);
    let layers = layers();
    for (layer, range) in layers.iter().zip(param_ranges(&layers).0) {
        if layer.has_norm() {
            let weight = &params[range.weight][..layer.taps()];
            let sum: f32 = weight.iter().map(|weight| weight * weight).sum();
            assert!((sum - 2.0).abs() < 1e-3, "{}: {sum}", layer.name);
        }
    }
}

#[test]
fn a_run_gives_its_averaged_weights_and_is_known_by_its_data() {
    let run = tempfile::tempdir().unwrap();
    let set = Set {
        photos: photos(),
        fingerprint: "a".to_owned(),
        close: None,
    };
    let mut checkpoint = Checkpoint::new(DetectorConfig::default(), set.fingerprint.clone());
    checkpoint.weights.average[3] = 7.0;
    checkpoint.save(run.path()).unwrap();
    let from = Pretrained::open(run.path()).unwrap();
    assert!(from.was_trained_on("a") && !from.was_trained_on("b"));
    let composer = Composer::new(&set.photos, &config()).unwrap();
    let weights = from.weights(&composer, INPUT);
    assert!(weights.params == checkpoint.weights.average && weights.average == weights.params);
    assert_eq!(from.digest().len(), 64);
}

#[test]
fn a_mean_lies_halfway_between_its_networks_and_names_them_all() {
    let photos = photos();
    let composer = Composer::new(&photos, &config()).unwrap();
    let (onnx, network) = file();
    let of_file = || Pretrained {
        weights: Source::File(folded(&onnx).unwrap()),
        digest: "a".to_owned(),
        data: vec!["one".to_owned()],
    };
    let mut run = Checkpoint::new(DetectorConfig::default(), "other".to_owned());
    run.weights.average.iter_mut().for_each(|value| *value *= 3.0);
    let trained = Detector::of(&run).layers().to_vec();
    let run = Pretrained::of_run(run);
    let name = format!("a, {}", run.digest());
    let mean = Pretrained::mean(vec![of_file(), run]).unwrap();
    assert_eq!(mean.digest(), name);
    assert!(!mean.was_trained_on("one"), "one of them saw other pictures");
    let found = mean.weights.folded();
    for ((mean, one), other) in found.layers.iter().zip(&network.layers).zip(&trained) {
        let halfway = |one: &[f32], other: &[f32]| -> Vec<f32> {
            one.iter()
                .zip(other)
                .map(|(one, other)| f32::midpoint(*one, *other))
                .collect()
        };
        let (weight, bias) = (halfway(&one.weight, &other.weight), halfway(&one.bias, &other.bias));
        assert!(farthest(mean.weight.iter().zip(&weight)) < 1e-5 && farthest(mean.bias.iter().zip(&bias)) < 1e-5);
    }
    let same = Pretrained::mean(vec![of_file(), of_file()]).unwrap();
    assert!(same.was_trained_on("one"));
    let (params, statistics) = unfolded(&network, &composer, INPUT);
    let begun = same.weights(&composer, INPUT);
    assert!(farthest(begun.params.iter().zip(&params)) < 1e-5);
    assert!(farthest(begun.average_statistics.iter().zip(&statistics)) < 1e-5);
    assert!(Pretrained::mean(Vec::new()).is_err());
}

#[test]
fn a_network_of_another_form_is_refused_with_what_is_wrong_and_what_helps() {
    let (onnx, _) = file();
    let refused = |change: &dyn Fn(&mut Graph)| {
        let mut graph = Graph::read(&onnx).unwrap();
        change(&mut graph);
        let error = folded(&graph.write(&[])).map(|_| ()).unwrap_err();
        format!("{error:#}")
    };
    let missing = refused(&|graph| {
        graph.weights.remove("stage2.bias");
    });
    assert!(
        missing.contains("no stage2.bias") && missing.contains("name a bundle"),
        "{missing}"
    );
    let wide = refused(&|graph| {
        let dims = vec![8, 1, 3, 3];
        let values = vec![0.0; 72];
        graph
            .weights
            .insert("stage1.weight".to_owned(), Weight { dims, values });
    });
    assert!(
        wide.contains("[8, 1, 3, 3]") && wide.contains("[16, 1, 3, 3]") && wide.contains("leave --from out"),
        "{wide}"
    );
}

#[test]
fn the_default_bundles_detector_finds_what_it_found_when_a_training_begins_with_it() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../edge-runtime/models/default");
    let from = Pretrained::open(&place).unwrap();
    assert!(!from.was_trained_on("a"));
    let photos = photos();
    let composer = Composer::new(&photos, &config()).unwrap();
    let weights = from.weights(&composer, INPUT);
    let begun = Detector::new(&layers(), &weights.average, &weights.average_statistics);
    let file = Detector::of_onnx(std::fs::read(place.join("detector.onnx")).unwrap()).unwrap();
    let mut task = Task::plain([160, 120]);
    task.limits.score = 1e-3;
    let mut found = 0;
    for photo in &photos {
        // By place: the scores of two may hardly differ.
        let [begun, file] = [&begun, &file].map(|detector| {
            let mut found = detector.detect(photo, &task).unwrap().found;
            found.sort_by(|a, b| a.bounds[0].total_cmp(&b.bounds[0]));
            found
        });
        assert_eq!(begun.len(), file.len(), "{}", photo.name);
        for (begun, file) in begun.iter().zip(&file) {
            assert!((begun.score - file.score).abs() < 1e-3, "{begun:?} {file:?}");
            assert!(
                farthest(begun.bounds.iter().zip(&file.bounds)) < 0.05,
                "{begun:?} {file:?}"
            );
        }
        found += begun.len();
    }
    assert!(found > 0);
}

#[test]
fn bundles_without_a_detector_or_with_another_are_refused_with_what_helps() {
    let refused = |write: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let error = Pretrained::open(folder.path()).map(|_| ()).unwrap_err();
        format!("{error:#}")
    };
    let none = refused(&|folder| {
        write_bundle(folder);
    });
    assert!(
        none.contains("holds no detector") && none.contains("name one with a detector"),
        "{none}"
    );
    let other = refused(&|folder| {
        write_bundle_with_detector(folder);
    });
    assert!(
        other.contains("bright spots") && other.contains(ARCHITECTURE) && other.contains("leave --from out"),
        "{other}"
    );
}

#[test]
fn a_directory_without_a_network_is_refused_by_name() {
    let empty = tempfile::tempdir().unwrap();
    let error = Pretrained::open(empty.path()).map(|_| ()).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains(&empty.path().display().to_string()), "{error}");
}
