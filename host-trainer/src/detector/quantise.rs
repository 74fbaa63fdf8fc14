//! The detector in 8-bit integers.

use anyhow::{Result, bail};

use super::checkpoint::Checkpoint;
use super::compose::Composer;
use super::data::Set;
use super::evaluate::Detector;
use super::export::{metadata, onnx};
use super::network::{MEAN, SPREAD};
use crate::onnx::quantise::{Quantised, Settings, quantise_maps};

/// Quantises the network of a training, with ranges as `samples` samples of its own pictures set them.
///
/// The samples have the size that it was trained at; `tell` hears of each step of the work.
pub fn quantise(
    checkpoint: &Checkpoint,
    set: &Set,
    settings: &Settings,
    samples: usize,
    tell: &mut dyn FnMut(&str),
) -> Result<Quantised> {
    let state = &checkpoint.state;
    if state.data != set.fingerprint {
        bail!("quantise: these are not the pictures that the network was trained on");
    }
    let composer = Composer::new(&set.photos, &state.config)?;
    let input = |place: usize| {
        let pixels = composer.sample(0, place).pixels;
        pixels.into_iter().map(|pixel| (pixel - MEAN) / SPREAD).collect()
    };
    let inputs: Vec<Vec<f32>> = (0..samples).map(input).collect();
    quantise_maps(
        &onnx(&Detector::of(checkpoint)),
        metadata(),
        settings,
        state.config.input,
        &inputs,
        tell,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::detector::compose::tests::photos;
    use crate::detector::config::DetectorConfig;
    use crate::detector::data::Gray;
    use crate::detector::evaluate::Task;
    use crate::onnx::quantise::{Observer, check_origin};

    fn settings() -> Settings {
        Settings {
            observer: Observer::MinMax,
            bias_correction: false,
            keep_float: BTreeSet::new(),
        }
    }

    fn untrained() -> (Checkpoint, Set) {
        let config = DetectorConfig {
            input: [64, 48],
            ..DetectorConfig::default()
        };
        let set = Set {
            photos: photos(),
            fingerprint: "a".to_owned(),
            close: None,
        };
        (Checkpoint::new(config, "a".to_owned()), set)
    }

    /// Every cell is a candidate: whatever the boxes are, those of integers lie near those of floats.
    #[test]
    fn integers_give_nearly_the_boxes_of_floats() {
        let (checkpoint, set) = untrained();
        let quantised = quantise(&checkpoint, &set, &settings(), 3, &mut |_| ()).unwrap();
        check_origin(&quantised.onnx, &onnx(&Detector::of(&checkpoint))).unwrap();
        assert!(
            quantised.layers.iter().all(|layer| layer.sqnr_db > 5.0),
            "{:?}",
            quantised.layers
        );
        let input = Gray {
            width: 64,
            height: 48,
            pixels: (0..64 * 48).map(|at| (at * 7 % 251) as u8).collect(),
        };
        let mut task = Task::plain([64, 48]);
        task.limits.score = 1e-4;
        task.limits.overlap = 1.0;
        let find = |detector: &Detector| detector.find(&input, &task).unwrap().0;
        let float = find(&Detector::of(&checkpoint));
        let file = find(&Detector::of_onnx(onnx(&Detector::of(&checkpoint))).unwrap());
        let int8 = find(&Detector::of_onnx(quantised.onnx).unwrap());
        let mean = |faces: &[vision::detector::decode::Detection]| {
            faces.iter().map(|face| f64::from(face.score)).sum::<f64>() / faces.len() as f64
        };
        assert!(!float.is_empty() && float.len() == file.len() && float.len() == int8.len());
        assert!((mean(&float) - mean(&file)).abs() < 1e-6);
        assert!(
            (mean(&float) - mean(&int8)).abs() < 0.1 * mean(&float),
            "{} {}",
            mean(&float),
            mean(&int8)
        );
    }

    #[test]
    fn other_pictures_than_those_of_the_training_are_refused() {
        let (checkpoint, mut set) = untrained();
        set.fingerprint = "b".to_owned();
        let error = quantise(&checkpoint, &set, &settings(), 3, &mut |_| ())
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains("not the pictures"), "{error}");
    }
}
