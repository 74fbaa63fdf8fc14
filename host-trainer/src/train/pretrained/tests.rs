//! What a training begins with gives what it gave where it comes from.

use inference::Views;
use shared_model::emotion::ClassSet;
use shared_model::image::SIDE;
use shared_model::keypoints::COUNT;

use super::*;
use crate::config::Loss;
use crate::data::{EmotionData, Faces, KeypointData};
use crate::device::{Backend, Devices};
use crate::measure::{Exported, Judged};
use crate::model::{Architecture, Freeze};
use crate::onnx::{Description, export};
use crate::train::learner::Learner;
use crate::train::samples::Data;

mod mean;

const FACES: usize = 20;

fn network(task: Task, seed: u64) -> Network {
    let device = Backend::Flex.device();
    device.seed(seed);
    Architecture::original(task, 5).init(&device)
}

#[test]
fn the_trunk_is_taken_over_and_the_head_is_not() {
    let config = TrainConfig::original(Task::Emotion);
    let other = network(Task::Emotion, 1);
    let pretrained = Pretrained {
        target: Target::pixels(),
        seen: SeenFaces::default(),
        unknown: false,
        digests: vec![digest(&other)],
        weights: Weights::Trained(Box::new(other.clone())),
        config: config.clone(),
        head: false,
    };
    let fresh = network(Task::Keypoints, 2);
    let (trunk, new) = (params::numbers(&other), params::numbers(&fresh));
    let grafted = pretrained.graft(fresh, &config, &emotions(&config)).unwrap();
    let grafted = params::numbers(&grafted);
    // A head of one dense layer ends the other network.
    let shared = trunk.len() - 2;
    assert!(trunk[..shared] != new[..shared]);
    assert!(grafted[..shared] == trunk[..shared], "trunk");
    assert!(grafted[shared..] == new[shared..], "head");
}

fn faces() -> Faces {
    let pixels = (0..FACES * SIDE * SIDE).map(|at| (at * 7919 % 251) as u8).collect();
    Faces::new(SIDE, pixels).unwrap()
}

/// Twenty faces without any pattern, divided.
fn emotions(config: &TrainConfig) -> Prepared {
    let data = EmotionData {
        classes: config.classes.clone(),
        faces: faces(),
        labels: (0..FACES as u8).map(|row| row % config.classes.len() as u8).collect(),
        labelled: vec![true; FACES],
        votes: None,
        sets: vec![0],
        usage: None,
        groups: (0..FACES as u32).collect(),
        rows: (1..=FACES as u64).collect(),
        csv_rows: FACES as u64,
    };
    Prepared::new(Data::Emotion(data), config).unwrap()
}

/// Values of a network whose running statistics are neither 0 nor 1, some of whose scales are negative.
fn worn(config: &TrainConfig) -> Vec<Vec<f32>> {
    let network = config.architecture.init(&Backend::Flex.device());
    let layers = network.norms().len();
    let mut values = params::numbers(&network);
    for layer in values.chunks_exact_mut(NORMED).take(layers) {
        for channel in 0..layer[1].len() {
            let part = (channel * 37 % 17) as f32 / 17.0;
            layer[2][channel] = if channel % 5 == 0 { -0.5 } else { 0.6 + part };
            layer[3][channel] = 0.3 - part;
            layer[4][channel] = part - 0.5;
            layer[5][channel] = 0.5 + part;
        }
    }
    values
}

/// A network of its own with these values: an exported one shares its running statistics with the export.
fn made(config: &TrainConfig, values: &[Vec<f32>]) -> Network {
    params::write(config.architecture.init(&Backend::Flex.device()), values)
}

fn fresh(config: &TrainConfig) -> Network {
    config.architecture.init(&Backend::Flex.device())
}

/// What a bundle would hold of a network with these values.
fn bundled(config: &TrainConfig, values: &[Vec<f32>], target: &Target, prepared: &Prepared) -> Trained {
    Trained {
        onnx: export(&made(config, values), target, &Description::of(config)).unwrap(),
        int8: None,
        views: Views::Plain,
        parameters: 0,
        epoch: 1,
        rows: 1,
        data: prepared.data.clone(),
        held_out: prepared.held_out.clone(),
        config: config.clone(),
    }
}

/// Scores of two of the faces.
fn scores(network: &Network, config: &TrainConfig, prepared: &Prepared) -> Vec<Vec<f32>> {
    let Data::Emotion(data) = prepared.samples.data() else {
        panic!("emotions")
    };
    let onnx = export(network, &Target::pixels(), &Description::of(config)).unwrap();
    let exported = Exported {
        onnx: &onnx,
        normalisation: config.normalisation,
        views: Views::Plain,
    };
    let scores = Judged::new(exported, data, &[0, 7]).unwrap().scores(1.0).unwrap();
    scores.iter().map(|(scores, _)| scores.as_slice().to_vec()).collect()
}

fn near(before: &[Vec<f32>], after: &[Vec<f32>], tolerance: f32) {
    let mut pairs = before.iter().flatten().zip(after.iter().flatten());
    assert!(
        pairs.all(|(a, b)| (a - b).abs() < tolerance),
        "{before:?} became {after:?}"
    );
}

#[test]
fn the_network_of_a_bundle_gives_in_training_what_it_gave_in_use() {
    let config = TrainConfig::original(Task::Emotion);
    let prepared = emotions(&config);
    let values = worn(&config);
    let trained = bundled(&config, &values, &Target::pixels(), &prepared);
    let pretrained = Pretrained::of_bundle(&trained, &prepared).unwrap();
    let grafted = pretrained.graft(made(&config, &values), &config, &prepared).unwrap();
    let trunk = params::numbers(&grafted);
    let (before, after) = (made(&config, &values), grafted);
    let before = scores(&before, &config, &prepared);
    near(&before, &scores(&after, &config, &prepared), 1e-3);
    // And its normalisation does what the statistics of the data ask for, as a batch's own will.
    assert!(trunk[4].iter().any(|mean| mean.abs() > 1e-3), "running means");

    let other = Trained {
        data: String::new(),
        ..trained
    };
    assert!(Pretrained::of_bundle(&other, &prepared).is_err());
    // Without that data, its head comes along as well, and nobody knows its faces.
    let alone = Pretrained::of_bundle_alone(&other).unwrap().with_head();
    assert!(!alone.knows_what_it_has_seen());
    assert_eq!(alone.check_test_part(&prepared).unwrap(), 0);
    let grafted = alone.graft(fresh(&config), &config, &prepared).unwrap();
    near(&before, &scores(&grafted, &config, &prepared), 1e-3);
}

#[test]
fn settings_come_from_the_network_that_is_begun_with_and_other_networks_are_refused() {
    let mut config = TrainConfig::original(Task::Emotion);
    config.classes = ClassSet::new(&["Happy", "Sad"]).unwrap();
    config.architecture.head = HeadConfig::Emotion {
        classes: 2,
        dropout: 0.3,
    };
    config.normalisation = shared_model::image::Normalisation::Standardise { epsilon: 0.05 };
    config.epochs = 7;
    let prepared = emotions(&config);
    let trained = bundled(&config, &worn(&config), &Target::pixels(), &prepared);
    let pretrained = Pretrained::of_bundle_alone(&trained).unwrap().with_head();
    let mut settings = pretrained.settings(Task::Emotion);
    assert_eq!(settings.architecture, config.architecture);
    assert_eq!(settings.normalisation, config.normalisation);
    assert_eq!(settings.classes, config.classes);
    assert_eq!(settings.epochs, TrainConfig::original(Task::Emotion).epochs);
    pretrained.note(&mut settings);
    assert!(settings.from.len() == 1 && settings.trunk.is_none());
    pretrained.check(&settings).unwrap();

    settings.classes = ClassSet::new(&["Bored", "happy"]).unwrap();
    let begun = pretrained.classes_begun(&settings).unwrap();
    assert_eq!(
        (begun.taken_over, begun.fresh),
        (vec!["happy".to_owned()], vec!["Bored".to_owned()])
    );
    let refused = |change: fn(&mut TrainConfig)| {
        let mut settings = settings.clone();
        change(&mut settings);
        pretrained.check(&settings).unwrap_err().to_string()
    };
    let stages = refused(|settings| settings.architecture.stages = 3);
    assert!(stages.contains("residual stages"), "{stages}");
    let head = refused(|settings| settings.architecture.head = HeadConfig::KeypointsCompact);
    assert!(head.contains("keypoints-compact"), "{head}");
    let unit = refused(|settings| settings.normalisation = shared_model::image::Normalisation::Unit);
    assert!(unit.contains("`normalisation`"), "{unit}");
}

/// Two steps with a frozen trunk, on the averaged weights as well; gives the values before and after.
fn two_steps(config: &TrainConfig, pretrained: &Pretrained, backend: Backend) -> [Vec<Vec<f32>>; 3] {
    let prepared = emotions(config);
    let devices = Devices::local(backend).unwrap();
    let mut learner = Learner::new(config, &prepared, Some(pretrained), &devices).unwrap();
    let before = params::numbers(learner.network().unwrap());
    for rows in [[0, 3, 5, 9], [2, 3, 7, 11]] {
        learner.step(&prepared, &rows, 2).unwrap();
    }
    let [after, averaged] = [learner.network().unwrap(), &learner.shipped().unwrap()].map(params::numbers);
    [before, after, averaged]
}

#[test]
fn a_frozen_trunk_stays_as_it_is_to_the_bit_and_the_head_learns() {
    let mut config = TrainConfig::original(Task::Emotion);
    (
        config.architecture.stages,
        config.batch,
        config.replicas,
        config.average,
    ) = (1, 4, 2, 0.5);
    (config.optimiser.weight_decay, config.optimiser.decoupled) = (0.1, true);
    let prepared = emotions(&config);
    let trained = bundled(&config, &worn(&config), &Target::pixels(), &prepared);
    let pretrained = Pretrained::of_bundle_alone(&trained).unwrap().with_head();
    config.freeze = Some(Freeze::Trunk);
    pretrained.note(&mut config);
    let trunk = NORMED * 11;
    for backend in [Backend::Flex, Backend::FlexAutodiff] {
        let [before, after, averaged] = two_steps(&config, &pretrained, backend);
        for own in [&after, &averaged] {
            assert!(before[..trunk] == own[..trunk], "{backend:?}: the trunk");
            assert!(
                before[trunk..].iter().zip(&own[trunk..]).all(|(a, b)| a != b),
                "{backend:?}: the head"
            );
        }
        // Without it, weights and running statistics of the trunk move.
        let free = TrainConfig {
            freeze: None,
            ..config.clone()
        };
        let [before, after, _] = two_steps(&free, &pretrained, backend);
        assert!(
            before[0] != after[0] && before[4] != after[4],
            "{backend:?}: nothing is frozen"
        );
    }
    let network = config.architecture.init(&Backend::Flex.device());
    // The sides of the map are 11, and those of a window of four 2 by 2 of them.
    assert_eq!(network.trained_parameters(config.freeze), 256 * 4 * 5 + 5);
    assert!(network.trained_parameters(None) < network.parameters());
}

#[test]
fn both_ways_to_compute_a_step_behind_a_frozen_trunk_agree() {
    let mut config = TrainConfig::original(Task::Emotion);
    (config.architecture.stages, config.batch, config.replicas) = (1, 4, 1);
    let prepared = emotions(&config);
    let trained = bundled(&config, &worn(&config), &Target::pixels(), &prepared);
    let pretrained = Pretrained::of_bundle_alone(&trained).unwrap().with_head();
    config.freeze = Some(Freeze::Trunk);
    // Plain descent moves weights by what the gradients are, where Adam hides their size.
    config.optimiser.rule = crate::config::Rule::Sgd;
    let [engine, autodiff] =
        [Backend::Flex, Backend::FlexAutodiff].map(|backend| two_steps(&config, &pretrained, backend)[1].clone());
    near(&engine, &autodiff, 1e-4);
}

/// The same faces with points.
fn keypoints(config: &TrainConfig) -> Prepared {
    let at = |row: usize, point: usize| [30 + (point * 7 + row) % 40, 30 + (point * 3 + row) % 40];
    let data = KeypointData {
        faces: faces(),
        points: (0..FACES)
            .map(|row| {
                shared_model::keypoints::Keypoints(std::array::from_fn(|point| at(row, point).map(|v| v as f32)))
            })
            .collect(),
        present: vec![[true; COUNT]; FACES],
        groups: (0..FACES as u32).collect(),
        rows: (1..=FACES as u64).collect(),
    };
    Prepared::new(Data::Keypoints(data), config).unwrap()
}

#[test]
fn a_compact_keypoint_network_of_a_bundle_gives_the_same_pixels_around_another_mean_shape() {
    let mut config = TrainConfig::original(Task::Keypoints);
    config.architecture = Architecture {
        stages: 1,
        head: HeadConfig::KeypointsCompact,
    };
    config.loss = Loss::SmoothL1 { beta: 0.5 };
    let prepared = keypoints(&config);
    let values = worn(&config);
    let theirs = Target {
        mean: (0..2 * COUNT).map(|at| 20.0 + at as f32).collect(),
        scale: 7.0,
    };
    let trained = bundled(&config, &values, &theirs, &prepared);
    let pretrained = Pretrained::of_bundle_alone(&trained).unwrap().with_head();
    assert_eq!(pretrained.settings(Task::Keypoints).loss, config.loss);
    let grafted = pretrained.graft(fresh(&config), &config, &prepared).unwrap();
    let ours = prepared.samples.target();
    assert!(*ours != theirs && *ours != Target::pixels());
    let pixels = |network: &Network, target: &Target| -> Vec<Vec<f32>> {
        let input = (0..SIDE * SIDE).map(|at| (at * 7919 % 251) as f32 / 251.0).collect();
        let data = burn::tensor::TensorData::new(input, [1, 1, SIDE, SIDE]);
        let output = network.forward(burn::tensor::Tensor::from_data(data, &Backend::Flex.device()));
        let output: Vec<f32> = output.into_data().iter::<f32>().collect();
        let at = output.iter().zip(&target.mean);
        vec![at.map(|(output, mean)| mean + target.scale * output).collect()]
    };
    near(&pixels(&made(&config, &values), &theirs), &pixels(&grafted, ours), 0.05);
}
