//! A training that begins with the mean of networks.

use super::*;
use crate::model::Architecture;

/// The values of a network that a fine-tuning moved a little, each by another amount.
fn moved(values: &[Vec<f32>], by: f32) -> Vec<Vec<f32>> {
    let each = values.iter().enumerate().map(|(at, values)| {
        // Neither statistics nor scales change their sign.
        let move_one = |(place, value): (usize, &f32)| value * (1.0 + by * ((at * 31 + place * 7) % 11) as f32 / 11.0);
        values.iter().enumerate().map(move_one).collect()
    });
    each.collect()
}

/// A run that ended with these values and has seen all but its test part.
fn of_run(config: &TrainConfig, values: &[Vec<f32>], seen: SeenFaces) -> Pretrained {
    let network = made(config, values);
    Pretrained {
        target: Target::pixels(),
        seen,
        unknown: false,
        digests: vec![digest(&network)],
        weights: Weights::Trained(Box::new(network)),
        config: config.clone(),
        head: false,
    }
}

fn mean(networks: Vec<Pretrained>) -> Result<Pretrained> {
    let named = networks.into_iter().zip(["first", "second", "third"]);
    Pretrained::mean(named.map(|(network, name)| (name.to_owned(), network)).collect())
}

/// One stage, which is enough to have pooled layers, some of whose normalisations stay after the pool.
fn small() -> TrainConfig {
    let mut config = TrainConfig::original(Task::Emotion);
    config.architecture.stages = 1;
    config
}

/// Every weight of an exported file.
fn exported(network: &Network, config: &TrainConfig) -> FoldedNetwork {
    let onnx = export(network, &Target::pixels(), &Description::of(config)).unwrap();
    FoldedNetwork::read(&onnx, config).unwrap()
}

#[test]
fn the_mean_of_a_run_and_a_bundle_with_the_same_network_is_that_network() {
    let config = small();
    let prepared = emotions(&config);
    let values = worn(&config);
    let run = of_run(&config, &values, SeenFaces::default());
    let bundle = Pretrained::of_bundle_alone(&bundled(&config, &values, &Target::pixels(), &prepared)).unwrap();
    let both = mean(vec![run, bundle]).unwrap().with_head();
    let grafted = both.graft(fresh(&config), &config, &prepared).unwrap();
    let before = scores(&made(&config, &values), &config, &prepared);
    near(&before, &scores(&grafted, &config, &prepared), 1e-3);
}

#[test]
fn each_weight_of_the_file_is_the_mean_of_the_networks_whatever_statistics_they_kept() {
    let config = small();
    let prepared = emotions(&config);
    let (first, second) = (worn(&config), moved(&worn(&config), 0.2));
    let [own, other] = [&first, &second].map(|values| exported(&made(&config, values), &config));
    let networks = [&first, &second].map(|values| of_run(&config, values, SeenFaces::default()));
    let both = mean(networks.into()).unwrap().with_head();
    let found = exported(&both.graft(fresh(&config), &config, &prepared).unwrap(), &config);
    for ((found, own), other) in found.dense.iter().zip(&own.dense).zip(&other.dense) {
        for ((found, own), other) in found.weight.iter().zip(&own.weight).zip(&other.weight) {
            assert!((found - f32::midpoint(*own, *other)).abs() < 1e-5);
        }
    }
    let layers = found
        .convolutions
        .iter()
        .zip(&own.convolutions)
        .zip(&other.convolutions);
    let mut compared = 0;
    for ((found, own), other) in layers {
        let each = own.weight.len() / own.bias.len();
        for at in 0..own.weight.len() {
            // What the layer multiplies its input with, a normalisation after a pool included.
            let whole = |layer: &crate::onnx::Folded| layer.weight[at] * layer.scale[at / each];
            let expected = f32::midpoint(whole(own), whole(other));
            assert!((whole(found) - expected).abs() < 1e-3 * expected.abs().max(0.1));
            compared += 1;
        }
    }
    assert!(compared > 1000 && own.convolutions != other.convolutions);
}

#[test]
fn what_any_of_the_networks_has_seen_counts_as_seen_and_all_are_noted() {
    let config = small();
    let prepared = emotions(&config);
    let tested = prepared.split.test.clone();
    assert!(!tested.is_empty());
    let mut unfair = emotions(&config);
    std::mem::swap(&mut unfair.split.train, &mut unfair.split.test);
    let (fair, unfair) = (SeenFaces::of(&prepared), SeenFaces::of(&unfair));
    let values = worn(&config);
    let [first, second] = [fair, unfair].map(|seen| of_run(&config, &moved(&values, 0.1), seen));
    assert_eq!(first.check_test_part(&prepared).unwrap(), 0);
    let noted = [first.digests[0].clone(), second.digests[0].clone()];
    let both = mean(vec![first, second]).unwrap().with_head();
    let refused = both.check_test_part(&prepared).unwrap_err().to_string();
    assert!(refused.contains("were seen by the network"), "{refused}");
    let mut settings = both.settings(Task::Emotion);
    both.note(&mut settings);
    assert_eq!(settings.from, noted);
    assert!(both.knows_what_it_has_seen());

    // A bundle without its data makes the whole unknown, and what is known still counts.
    let bundle = Pretrained::of_bundle_alone(&bundled(&config, &values, &Target::pixels(), &prepared)).unwrap();
    let partly = mean(vec![bundle, both]).unwrap();
    assert!(!partly.knows_what_it_has_seen() && partly.check_test_part(&prepared).is_err());
    assert_eq!(partly.networks(), 3);
}

#[test]
fn networks_without_a_mean_are_refused_with_what_differs_and_what_to_do() {
    let config = small();
    let run = |config: &TrainConfig, values: &[Vec<f32>]| of_run(config, values, SeenFaces::default());
    let refused = |other: Pretrained| {
        let error = mean(vec![run(&config, &worn(&config)), other]).err();
        format!("{:#}", error.expect("they have no mean"))
    };
    let with = |change: fn(&mut TrainConfig)| {
        let mut other = config.clone();
        change(&mut other);
        let values = worn(&other);
        refused(run(&other, &values))
    };
    let stages = with(|other| other.architecture = Architecture::original(Task::Emotion, 5));
    for part in [
        "first and second have no mean",
        "give networks that were trained from one another",
        &config.architecture.name(),
    ] {
        assert!(stages.contains(part), "{stages}");
    }
    let classes =
        with(|other| other.classes = ClassSet::new(&["Sad", "Angry", "Disgust", "Happy", "Surprise"]).unwrap());
    assert!(classes.contains("one knows the classes Angry"), "{classes}");
    let unit = with(|other| {
        other.normalisation = shared_model::image::Normalisation::Standardise { epsilon: 0.05 };
    });
    assert!(unit.contains("normalisation"), "{unit}");
    // Its scales have other signs: the maximum of the one is the minimum of the other.
    let mut strange = worn(&config);
    for layer in strange.chunks_exact_mut(NORMED).take(11) {
        layer[2].iter_mut().for_each(|scale| *scale = -*scale);
    }
    let signs = refused(run(&config, &strange));
    assert!(signs.contains("fall in one network where they rise"), "{signs}");
}
