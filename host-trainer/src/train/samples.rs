//! From rows of a data set to the numbers of a batch.

use shared_model::emotion::MAX_CLASSES;
use shared_model::image::{INPUT_LEN, Normalisation};
use shared_model::keypoints::{COORDINATES, COUNT, Keypoints};

use super::batch::Batch;
use super::mixup::mix;
use super::targets::ClassTargets;
use crate::augment::{AugmentConfig, augment, sample_rng};
use crate::config::{Loss, SplitBy, TrainConfig};
use crate::data::{EmotionData, Faces, KeypointData};
use crate::model::Task;
use crate::target::Target;

/// Mixing draws from the stream of this sample number plus that of the batch's first row, which no row has.
const MIX: u64 = 1 << 40;

/// Views for a teacher draw from the streams of this epoch and those before it, which no training reaches.
const VIEWED: u64 = u64::MAX;

/// Variants of each face in the original's keypoint protocol: itself, mirrored, brighter, upside down,
/// turned.
const VARIANTS: usize = 5;

/// A labelled data set of either kind.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a program holds one or two")]
pub enum Data {
    /// Faces with keypoints.
    Keypoints(KeypointData),
    /// Faces with emotions.
    Emotion(EmotionData),
}

impl Data {
    /// The faces, in the order of the rows.
    pub fn faces(&self) -> &Faces {
        match self {
            Self::Keypoints(data) => &data.faces,
            Self::Emotion(data) => &data.faces,
        }
    }

    /// Numbers that these rows, or the faces that they are variants of, have in the data file, from 1.
    pub fn file_rows(&self, rows: &[u32]) -> Vec<u64> {
        let numbers = match self {
            Self::Keypoints(data) => &data.rows,
            Self::Emotion(data) => &data.rows,
        };
        rows.iter().map(|row| numbers[*row as usize % numbers.len()]).collect()
    }

    /// SHA-256 over faces and labels.
    pub fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Keypoints(data) => data.fingerprint(),
            Self::Emotion(data) => data.fingerprint(),
        }
    }

    /// SHA-256 over faces and labels of these rows.
    pub fn fingerprint_of(&self, rows: &[u32]) -> [u8; 32] {
        match self {
            Self::Keypoints(data) => data.fingerprint_of(rows),
            Self::Emotion(data) => data.fingerprint_of(rows),
        }
    }
}

/// Whether a batch shows faces varied, or as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As in training, differently in each epoch.
    Varied {
        /// Counts from 0.
        epoch: u32,
    },
    /// As they are.
    Plain,
}

/// Makes batches of a data set.
#[derive(Debug)]
pub struct Samples {
    data: Data,
    normalisation: Normalisation,
    augment: AugmentConfig,
    /// The fixed variants of the original's keypoint protocol; empty otherwise.
    variants: Vec<AugmentConfig>,
    seed: u64,
    target: Target,
    /// Of emotions.
    classes: ClassTargets,
    mixup: f32,
    outputs: usize,
}

impl Samples {
    /// Samples of `data`; what depends on the training part alone (mean shape, class weights) is
    /// taken from the rows `train`, each of which counts as often as it stands there.
    pub fn new(data: Data, config: &TrainConfig, train: &[u32]) -> Self {
        let target = match (&data, config.loss) {
            (Data::Keypoints(data), Loss::SmoothL1 { .. }) => Target::mean_shape(data, train),
            _ => Target::pixels(),
        };
        let (classes, outputs) = match &data {
            Data::Keypoints(_) => (ClassTargets::default(), COORDINATES),
            Data::Emotion(data) => (ClassTargets::new(data, config.loss, train), config.classes.len()),
        };
        Self {
            data,
            normalisation: config.normalisation,
            augment: config.augment,
            variants: fixed_variants(config),
            seed: config.seed,
            target,
            classes,
            mixup: config.mixup,
            outputs,
        }
    }

    /// The same samples with what depends on the training part taken from the rows `train`.
    pub(super) fn with_training_part(self, config: &TrainConfig, train: &[u32]) -> Self {
        Self::new(self.data, config, train)
    }

    /// Number of values that the network gives for one face.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// How the network's outputs become pixels of the crop.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The data set that samples are made of.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Number of rows that can be divided: faces, or variants of faces.
    pub fn rows(&self) -> usize {
        self.data.faces().len() * self.variants.len().max(1)
    }

    /// Fills `batch` with these rows.
    pub fn fill(&self, rows: &[u32], view: View, batch: &mut Batch) {
        let count = rows.len();
        batch.len = count;
        batch.unit_px = matches!(self.data, Data::Keypoints(_)).then_some(self.target.scale);
        batch.total_weight = 0.0;
        batch.inputs.resize(count * INPUT_LEN, 0.0);
        batch.targets.resize(count * self.outputs, 0.0);
        batch.weights.resize(count * self.outputs, 0.0);
        let inputs = batch.inputs.chunks_exact_mut(INPUT_LEN);
        let targets = batch.targets.chunks_exact_mut(self.outputs);
        let weights = batch.weights.chunks_exact_mut(self.outputs);
        for (((row, input), target), weight) in rows.iter().zip(inputs).zip(targets).zip(weights) {
            batch.total_weight += self.fill_one(*row, view, input, target, weight);
        }
        batch.offsets.clone_from(&self.classes.offsets);
        if let (View::Varied { epoch }, true) = (view, self.mixup > 0.0) {
            let mut rng = sample_rng(
                self.seed,
                u64::from(epoch),
                rows.first().map_or(0, |row| MIX + u64::from(*row)),
            );
            mix(batch, self.mixup, &mut rng);
        }
        for input in batch.inputs.chunks_exact_mut(INPUT_LEN) {
            self.normalisation.apply(input);
        }
    }

    /// A face varied as `config` says, values 0..=1; the same `draw` gives the same view.
    pub(super) fn view(&self, row: u32, config: &AugmentConfig, draw: u64, input: &mut [f32]) {
        let faces = self.data.faces();
        let mut rng = sample_rng(self.seed, VIEWED - draw, u64::from(row));
        augment(faces.view(row as usize % faces.len()), None, config, &mut rng, input);
    }

    /// Gives `others`, one for each of `rows`, this share of the rows' target distributions.
    pub(super) fn mix_targets(&mut self, rows: &[u32], others: &[[f32; MAX_CLASSES]], share: f32) {
        for (row, other) in rows.iter().zip(others) {
            let (target, _) = &mut self.classes.rows[*row as usize];
            for (own, other) in target.iter_mut().zip(other) {
                *own = *own * (1.0 - share) + other * share;
            }
        }
    }

    /// The class that a network is right to give for a row, and how much the row counts: the label, or, where
    /// votes for no class count, the class with the largest part of its target.
    pub(super) fn judged_class(&self, row: u32) -> (usize, f32) {
        self.classes.judged[row as usize % self.classes.judged.len()]
    }

    /// Gives the face's share of the total weight.
    fn fill_one(&self, row: u32, view: View, input: &mut [f32], target: &mut [f32], weight: &mut [f32]) -> f64 {
        let faces = self.data.faces();
        let face = row as usize % faces.len();
        let (config, epoch) = match (self.variants.get(row as usize / faces.len()), view) {
            (Some(fixed), _) => (*fixed, 0),
            (None, View::Varied { epoch }) => (self.augment, epoch),
            (None, View::Plain) => (AugmentConfig::none(), 0),
        };
        let mut rng = sample_rng(self.seed, u64::from(epoch), u64::from(row));
        match &self.data {
            Data::Keypoints(data) => {
                let (mut points, mut present) = (data.points[face], data.present[face]);
                augment(
                    faces.view(face),
                    Some((&mut points, &mut present)),
                    &config,
                    &mut rng,
                    input,
                );
                self.place_points(&points, present, target, weight);
                weight.iter().map(|weight| f64::from(*weight)).sum()
            }
            Data::Emotion(_) => {
                augment(faces.view(face), None, &config, &mut rng, input);
                let (distribution, importance) = &self.classes.rows[face];
                target.copy_from_slice(&distribution[..self.outputs]);
                weight.fill(*importance);
                f64::from(*importance)
            }
        }
    }

    fn place_points(&self, points: &Keypoints, present: [bool; COUNT], target: &mut [f32], weight: &mut [f32]) {
        for (at, value) in points.0.iter().flatten().enumerate() {
            let there = present[at / 2];
            weight[at] = f32::from(u8::from(there));
            target[at] = if there {
                (value - self.target.mean[at]) / self.target.scale
            } else {
                0.0
            };
        }
    }
}

fn fixed_variants(config: &TrainConfig) -> Vec<AugmentConfig> {
    if config.task != Task::Keypoints || config.split.by != SplitBy::Variants {
        return Vec::new();
    }
    let none = AugmentConfig {
        swap_mirrored_points: false,
        ..AugmentConfig::none()
    };
    let variants: [AugmentConfig; VARIANTS] = [
        none,
        AugmentConfig { mirror: 1.0, ..none },
        AugmentConfig {
            brightness: config.augment.brightness,
            ..none
        },
        AugmentConfig {
            vertical_flip: 1.0,
            ..none
        },
        AugmentConfig {
            rotation_degrees: config.augment.rotation_degrees,
            ..none
        },
    ];
    variants.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Faces;
    use shared_model::image::SIDE;

    fn keypoint_data() -> KeypointData {
        let pixels = (0..2 * INPUT_LEN).map(|at| (at % 251) as u8).collect();
        let mut present = [[true; COUNT]; 2];
        present[1][3] = false;
        KeypointData {
            faces: Faces::new(SIDE, pixels).unwrap(),
            points: vec![Keypoints([[20.0, 30.0]; COUNT]), Keypoints([[40.0, 50.0]; COUNT])],
            present: present.to_vec(),
            groups: vec![0, 1],
            rows: vec![1, 2],
        }
    }

    #[test]
    fn missing_points_weigh_nothing_and_do_not_move_the_mean() {
        let config = TrainConfig {
            loss: Loss::SmoothL1 { beta: 0.3 },
            ..TrainConfig::original(Task::Keypoints)
        };
        let samples = Samples::new(Data::Keypoints(keypoint_data()), &config, &[0, 1]);
        assert_eq!(samples.target().mean[..2], [30.0, 40.0]);
        assert_eq!(
            samples.target().mean[6..8],
            [20.0, 30.0],
            "only the first face has point 3"
        );
        let mut batch = Batch::default();
        samples.fill(&[1], View::Plain, &mut batch);
        assert_eq!(batch.targets[..2], [1.0, 1.0]);
        assert_eq!(batch.weights[5..9], [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn batches_depend_on_seed_epoch_and_row_alone() {
        let config = TrainConfig::original(Task::Keypoints);
        let samples = Samples::new(Data::Keypoints(keypoint_data()), &config, &[0, 1]);
        let (mut one, mut two, mut other) = (Batch::default(), Batch::default(), Batch::default());
        samples.fill(&[0, 1], View::Varied { epoch: 3 }, &mut one);
        samples.fill(&[1], View::Varied { epoch: 3 }, &mut two);
        samples.fill(&[1], View::Varied { epoch: 4 }, &mut other);
        assert_eq!(one.inputs[INPUT_LEN..], two.inputs);
        assert_ne!(two.inputs, other.inputs);
    }

    fn emotion_samples() -> (Samples, TrainConfig) {
        let config = TrainConfig::original(Task::Emotion);
        let pixels = (0..2 * INPUT_LEN).map(|at| (at % 251) as u8).collect();
        let data = EmotionData {
            classes: config.classes.clone(),
            faces: Faces::new(SIDE, pixels).unwrap(),
            labels: vec![0, 1],
            labelled: vec![true; 2],
            votes: None,
            sets: vec![0],
            usage: None,
            groups: vec![0, 1],
            rows: vec![1, 2],
            csv_rows: 2,
        };
        (Samples::new(Data::Emotion(data), &config, &[0, 1]), config)
    }

    #[test]
    fn a_teacher_has_its_share_of_the_rows_it_answered_for() {
        let (mut samples, _) = emotion_samples();
        let mut answer = [0.0; MAX_CLASSES];
        (answer[0], answer[2]) = (0.25, 0.75);
        samples.mix_targets(&[1], &[answer], 0.4);
        let mut batch = Batch::default();
        samples.fill(&[0, 1], View::Plain, &mut batch);
        assert_eq!(batch.targets[..5], [1.0, 0.0, 0.0, 0.0, 0.0]);
        let expected = [0.1, 0.6, 0.3, 0.0, 0.0];
        let near = batch.targets[5..]
            .iter()
            .zip(expected)
            .all(|(own, other)| (own - other).abs() < 1e-6);
        assert!(near, "{:?}", batch.targets);
        assert_eq!(samples.judged_class(1).0, 1, "a validation goes by the label");
    }

    #[test]
    fn views_for_a_teacher_differ_by_their_number_and_are_repeatable() {
        let (samples, config) = emotion_samples();
        let view = |draw| {
            let mut input = vec![0.0; INPUT_LEN];
            samples.view(0, &config.augment, draw, &mut input);
            input
        };
        assert_eq!(view(3), view(3));
        assert_ne!(view(3), view(4));
    }

    #[test]
    fn the_originals_protocol_has_five_fixed_variants_of_each_face() {
        let config = TrainConfig::original(Task::Keypoints).with_original_protocol();
        let samples = Samples::new(Data::Keypoints(keypoint_data()), &config, &[0]);
        assert_eq!(samples.rows(), 10);
        let mut batch = Batch::default();
        samples.fill(&[0, 2, 6], View::Varied { epoch: 7 }, &mut batch);
        // Mirrored without swapping left and right; upside down.
        assert_eq!(batch.targets[..2], [20.0, 30.0]);
        assert!((batch.targets[30] - 76.0).abs() < 1e-3 && (batch.targets[31] - 30.0).abs() < 1e-3);
        assert!((batch.targets[60] - 20.0).abs() < 1e-3 && (batch.targets[61] - 66.0).abs() < 1e-3);
    }
}
