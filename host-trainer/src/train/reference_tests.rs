//! Holds both networks against an independent float64 implementation:
//! `tests/fixtures/reference.py` made `reference.json`.

use shared_model::image::INPUT_LEN;
use shared_model::keypoints::COORDINATES;

use super::batch::Batch;
use super::learner::update_running;
use super::optimiser::{optimiser, register, scale};
use super::outcome::Outcome;
use super::params::{self, Value};
use super::replicas::Replicas;
use super::spare::Spare;
use crate::config::TrainConfig;
use crate::device::{Backend, Devices};
use crate::model::dropout::Dropout;
use crate::model::{Architecture, Network, Task};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

mod fixture;

use fixture::{Parameter, Reference, Train, fixture, uniform};

const FACES: usize = 4;
/// Tensor number of the first image, and of the keypoint targets.
const IMAGE: u64 = 1000;
const TARGET: u64 = 2000;

/// The values of a parameter, by the rule that `reference.py` documents.
fn parameter(tensor: u64, name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let part = name.rsplit('.').next().unwrap();
    let glorot = |fans: [usize; 2]| (6.0 / (fans[0] + fans[1]) as f64).sqrt();
    let rule: Box<dyn Fn(f64) -> f64> = match (part, shape) {
        ("weight", [o, i, h, w]) => {
            let limit = glorot([i * h * w, o * h * w]);
            Box::new(move |u| (2.0 * u - 1.0) * limit)
        }
        ("weight", [i, o]) => {
            let limit = glorot([*i, *o]);
            Box::new(move |u| (2.0 * u - 1.0) * limit)
        }
        ("bias" | "running_mean", _) => Box::new(|u| 0.1 * (2.0 * u - 1.0)),
        ("gamma", _) => Box::new(|u| 0.8 + 0.4 * u),
        ("beta", _) => Box::new(|u| 0.2 * (2.0 * u - 1.0)),
        ("running_var", _) => Box::new(|u| 0.5 + u),
        other => panic!("no rule for {other:?}"),
    };
    uniform(tensor, count).map(|u| rule(u) as f32).collect()
}

fn network(task: Task, reference: &Reference) -> (Architecture, Network) {
    let architecture = Architecture::original(task, 5);
    let network = architecture.init(&Backend::Flex.device().autodiff());
    let shapes: Vec<Vec<usize>> = params::read(&network).into_iter().map(|value| value.shape).collect();
    let expected: Vec<Vec<usize>> = reference.parameters.iter().map(|p| p.shape.clone()).collect();
    assert_eq!(shapes, expected, "order and shapes of the parameters");
    let numbers = |(id, p): (usize, &Parameter)| parameter(id as u64, &p.name, &p.shape);
    let values: Vec<Vec<f32>> = reference.parameters.iter().enumerate().map(numbers).collect();
    for (values, p) in values.iter().zip(&reference.parameters) {
        close(&p.name, &values[..p.first.len()], &p.first, 1e-7);
    }
    (architecture, params::write(network, &values))
}

fn batch(task: Task) -> Batch {
    let inputs = (0..FACES as u64)
        .flat_map(|face| uniform(IMAGE + face, INPUT_LEN))
        .map(|u| u as f32)
        .collect();
    let targets: Vec<f32> = match task {
        Task::Keypoints => uniform(TARGET, FACES * COORDINATES)
            .map(|u| (96.0 * u) as f32)
            .collect(),
        Task::Emotion => (0..FACES * 5).map(|at| f32::from(u8::from(at / 5 == at % 5))).collect(),
    };
    let total_weight = if task == Task::Keypoints {
        (FACES * COORDINATES) as f64
    } else {
        FACES as f64
    };
    Batch {
        inputs,
        weights: vec![1.0; targets.len()],
        targets,
        offsets: Vec::new(),
        unit_px: (task == Task::Keypoints).then_some(1.0),
        total_weight,
        len: FACES,
    }
}

fn close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (f64::from(*got) - expected).abs() <= tolerance,
            "{what}: {got} instead of {expected}"
        );
    }
}

fn l2(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt()
}

fn tasks() -> [(Task, &'static str); 2] {
    [(Task::Keypoints, "keypoints"), (Task::Emotion, "emotion")]
}

#[test]
fn layers_and_parameters_are_the_originals() {
    let fixture = fixture();
    for (task, name, total) in [
        (Task::Keypoints, "keypoints", 18_016_286),
        (Task::Emotion, "emotion", 1_174_021),
    ] {
        let reference = &fixture.networks[name];
        let (architecture, network) = network(task, reference);
        assert_eq!([network.parameters(), reference.parameter_total], [total; 2]);
        let shape = |layer: &str| reference.layers.iter().find(|l| l.name == layer).unwrap().shape.clone();
        let (channels, side) = architecture.feature_map();
        assert_eq!(shape("res2.iden2"), [channels, side, side]);
        let x = Tensor::<4>::zeros([1, 1, 96, 96], &Backend::Flex.device());
        let shapes: Vec<Vec<usize>> = network.valid().trunk.shapes(x).into_iter().map(Vec::from).collect();
        let names = [
            "conv1",
            "stem",
            "res1.conv",
            "res1.iden1",
            "res1.iden2",
            "res2.conv",
            "res2.iden1",
            "res2.iden2",
        ];
        assert_eq!(shapes, names.map(shape));
    }
}

#[test]
fn inference_agrees_with_float64() {
    let fixture = fixture();
    for (task, name) in tasks() {
        let reference = &fixture.networks[name];
        let (_, network) = network(task, reference);
        let batch = batch(task);
        for (face, first) in batch.inputs.chunks_exact(INPUT_LEN).zip(&fixture.image_first) {
            close("image", &face[..4], first, 1e-7);
        }
        let inputs = TensorData::new(batch.inputs, [FACES, 1, 96, 96]);
        let outputs = network
            .valid()
            .forward(Tensor::from_data(inputs, &Backend::Flex.device()))
            .into_data();
        let outputs: Vec<f32> = outputs.iter::<f32>().collect();
        let expected: Vec<f64> = reference.eval.outputs.concat();
        close(name, &outputs, &expected, 1e-5);
    }
}

/// What replicas without dropout find, each for a batch.
fn run(network: &Network, config: &TrainConfig, batches: Vec<Batch>, backend: Backend) -> Outcome {
    let config = TrainConfig {
        batch: batches.iter().map(|batch| batch.len).sum(),
        replicas: batches.len(),
        ..config.clone()
    };
    let mut replicas = Replicas::new(&config, &Devices::local(backend).unwrap(), Spare::default()).unwrap();
    for (worker, batch) in replicas.workers.iter_mut().zip(batches) {
        worker.batch = batch;
    }
    replicas.run(network, |_| Dropout::Training(None)).unwrap()
}

/// One step with the engine or with automatic differentiation against float64. Tolerances are a few
/// times the distance between float32 and float64 runs of the reference itself.
fn step_agrees(backend: Backend) {
    let fixture = fixture();
    for (task, name) in tasks() {
        let reference = &fixture.networks[name].train;
        let (_, mut network) = network(task, &fixture.networks[name]);
        let device = Backend::Flex.device();
        let config = TrainConfig::original(task);
        let mut outcome = run(&network, &config, vec![batch(task)], backend);
        assert!(reference.outputs.len() == FACES);
        let loss = outcome.loss / outcome.weight;
        assert!(
            (loss / reference.loss - 1.0).abs() < 1e-5,
            "{name}: loss {loss} instead of {}",
            reference.loss
        );
        assert!(scale(&mut outcome, 0.0));

        let before = params::read(&network);
        let trained: Vec<(&Vec<f32>, &Value)> = outcome
            .gradients
            .iter()
            .zip(&before)
            .filter_map(|(g, v)| Some((g.as_ref()?, v)))
            .collect();
        assert_eq!(trained.len(), reference.tensors.len());
        for ((gradient, value), expected) in trained.iter().zip(&reference.tensors) {
            let (what, norm) = (&expected.name, expected.gradient.l2);
            if norm == 0.0 {
                assert!(
                    l2(gradient) < 1e-2,
                    "{name} {what}: gradient {} instead of none",
                    l2(gradient)
                );
                continue;
            }
            assert!(
                (l2(gradient) / norm - 1.0).abs() < 5e-3,
                "{name} {what}: {} instead of {norm}",
                l2(gradient)
            );
            let rms = norm / (value.numbers.len() as f64).sqrt();
            close(
                &format!("{name} {what} gradient"),
                &gradient[..4.min(gradient.len())],
                &expected.gradient.first,
                0.1 * rms,
            );
        }
        let alive: Vec<bool> = reference.tensors.iter().map(|t| t.gradient.l2 > 0.0).collect();
        let gradients = register(&network, outcome.gradients.clone(), &device);
        network = optimiser(&config.optimiser, true, Spare::default()).step(8e-4, network, gradients);
        update_running(&network, &outcome.statistics);
        check_step(name, &network, reference, &outcome.gradients, &alive);
    }
}

/// Parameters after one Adam step, where the gradient is clear of rounding, and running statistics.
fn check_step(name: &str, network: &Network, reference: &Train, gradients: &[Option<Vec<f32>>], alive: &[bool]) {
    let after = params::read(network);
    let trained = after.iter().zip(gradients).filter(|(_, g)| g.is_some()).map(|(v, _)| v);
    for ((value, expected), _) in trained.zip(&reference.tensors).zip(alive).filter(|(_, alive)| **alive) {
        let rms = expected.gradient.l2 / (value.numbers.len() as f64).sqrt();
        for ((got, wanted), gradient) in value
            .numbers
            .iter()
            .zip(&expected.adam_corrected.first)
            .zip(&expected.gradient.first)
        {
            if gradient.abs() > 0.2 * rms {
                let error = (f64::from(*got) - wanted).abs();
                assert!(
                    error < 1e-5,
                    "{name} {} after the step: {got} instead of {wanted}",
                    expected.name
                );
            }
        }
    }
    let running: Vec<&Value> = after
        .iter()
        .zip(gradients)
        .filter(|(_, g)| g.is_none())
        .map(|(v, _)| v)
        .collect();
    for (pair, expected) in running.chunks_exact(2).zip(&reference.batch_norms) {
        for (value, numbers) in pair.iter().zip([&expected.running_mean, &expected.running_var_biased]) {
            close(
                &format!("{name} {}", expected.name),
                &value.numbers[..4],
                &numbers.first,
                3e-6,
            );
            let l2 = l2(&value.numbers);
            assert!(
                (l2 / numbers.l2 - 1.0).abs() < 4e-6,
                "{name} {}: {l2} instead of {}",
                expected.name,
                numbers.l2
            );
        }
    }
}

#[test]
fn a_step_of_the_engine_agrees_with_float64() {
    step_agrees(Backend::Flex);
}

#[test]
fn a_step_of_automatic_differentiation_agrees_with_float64() {
    step_agrees(Backend::FlexAutodiff);
}

/// The first faces of a batch of the original keypoint network, and the others.
fn divided(batch: &Batch, first: usize) -> Vec<Batch> {
    let part = |faces: std::ops::Range<usize>| Batch {
        inputs: batch.inputs[faces.start * INPUT_LEN..faces.end * INPUT_LEN].to_vec(),
        targets: batch.targets[faces.start * COORDINATES..faces.end * COORDINATES].to_vec(),
        weights: batch.weights[faces.start * COORDINATES..faces.end * COORDINATES].to_vec(),
        total_weight: (faces.len() * COORDINATES) as f64,
        len: faces.len(),
        ..batch.clone()
    };
    vec![part(0..first), part(first..batch.len)]
}

#[test]
fn replicas_that_share_the_original_head_agree_with_automatic_differentiation() {
    let fixture = fixture();
    let (_, network) = network(Task::Keypoints, &fixture.networks["keypoints"]);
    let config = TrainConfig::original(Task::Keypoints);
    // Two faces for each at least: batch normalisation of one image has little to go by.
    let batches = divided(&batch(Task::Keypoints), 2);
    let [own, burns] = [Backend::Flex, Backend::FlexAutodiff].map(|it| run(&network, &config, batches.clone(), it));
    assert!(
        (own.loss / burns.loss - 1.0).abs() < 1e-5,
        "{} {}",
        own.loss,
        burns.loss
    );
    assert!((own.worth[0] / burns.worth[0] - 1.0).abs() < 1e-5);
    assert_eq!((own.weight, own.worth[1]), (burns.weight, burns.worth[1]));
    assert_eq!(own.gradients.len(), burns.gradients.len());
    for (at, (own, burns)) in own.gradients.iter().zip(&burns.gradients).enumerate() {
        let (Some(own), Some(burns)) = (own, burns) else {
            assert_eq!(own.is_some(), burns.is_some());
            continue;
        };
        let apart: Vec<f32> = own.iter().zip(burns).map(|(a, b)| a - b).collect();
        // Rounding grows where two values of a pool's window are nearly the same. A bias before batch normalisation has no
        // gradient but rounding.
        assert!(
            l2(&apart) < 1.0 + 2e-2 * l2(burns),
            "{at}: {} of {}",
            l2(&apart),
            l2(burns)
        );
    }
}

#[test]
fn losses_are_sums_over_the_weights() {
    // Two faces, the second without its last point: what a mean over 58 coordinates must give.
    let config = TrainConfig::original(Task::Keypoints);
    let network = config.architecture.init(&Backend::Flex.device().autodiff());
    let run = |weights: Vec<f32>| {
        let total_weight = weights.iter().map(|w| f64::from(*w)).sum();
        let inputs = (0..2)
            .flat_map(|face| uniform(IMAGE + face, INPUT_LEN))
            .map(|u| u as f32)
            .collect();
        let batch = Batch {
            inputs,
            targets: vec![-5.0; 60],
            weights,
            offsets: Vec::new(),
            unit_px: Some(1.0),
            total_weight,
            len: 2,
        };
        let outcome = run(&network, &config, vec![batch], Backend::Flex);
        (outcome.loss, outcome.weight)
    };
    let (all, sixty) = run(vec![1.0; 60]);
    let mut weights = vec![1.0; 60];
    weights[58..].fill(0.0);
    let (some, fifty_eight) = run(weights);
    assert_eq!([sixty, fifty_eight], [60.0, 58.0]);
    // Each coordinate costs at least 25: outputs are rectified, targets are -5.
    assert!(all - some >= 50.0 && some > 25.0 * 58.0, "{all} {some}");
}
