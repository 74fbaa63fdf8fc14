//! A trained network with what is known of its training: the best one of a run, or one of a bundle.

use std::path::Path;

use anyhow::{Context, Result, bail};
use inference::Views;
use inference::bundle::Bundle;
use shared_model::manifest::{FILE_NAME, FileRef, Precision};

use super::checkpoint::is_checkpoint;
use super::shipped::Shipped;
use crate::config::TrainConfig;
use crate::model::Task;
use crate::onnx::Description;
use crate::onnx::quantise::spelled_out;

/// Name of the file in a bundle that tells how its network for `task` was trained.
pub(crate) fn settings_file(task: Task) -> &'static str {
    match task {
        Task::Keypoints => "keypoints.toml",
        Task::Emotion => "emotion.toml",
    }
}

/// A trained network, and what a bundle tells of its training.
pub struct Trained {
    /// Settings that the network was trained with.
    pub config: TrainConfig,
    /// The network in 32-bit floats.
    pub onnx: Vec<u8>,
    /// The network in 8-bit integers, where it was quantised.
    pub int8: Option<Vec<u8>>,
    /// What of a face it saw in the bundle that it comes from; of a run, the face alone.
    pub views: Views,
    /// Number of its parameters, running statistics included.
    pub parameters: usize,
    /// Epoch of these weights, from 1.
    pub epoch: u32,
    /// Faces in its training part.
    pub rows: u32,
    /// SHA-256 of data and labels, in hexadecimal.
    pub data: String,
    /// SHA-256 of the rows of the test part, in hexadecimal.
    pub held_out: String,
}

/// That the network of these settings sees the mirror image of a face as well.
///
/// # Errors
/// Its labels lie to one side of what they mark (`augment.label_offset`). The runtime mirrors points about the middle, so the
/// mean of both would lie between the two sides.
pub fn mirrored_views(config: &TrainConfig) -> Result<Views> {
    let [right, _] = config.augment.label_offset;
    if config.task == Task::Keypoints && right != 0.0 {
        bail!(
            "--mirrored: the keypoint network learnt labels that lie {right} px to the right (augment.label_offset); the mean with the \
             mirror image would lose that: leave --mirrored out"
        );
    }
    Ok(Views::Mirrored)
}

/// Whether a directory is a bundle. A checkpoint has a file of the same name.
pub fn is_bundle(place: &Path) -> bool {
    place.join(FILE_NAME).exists() && !is_checkpoint(place)
}

impl Trained {
    /// The network in `place`, which is a run or a bundle; of a bundle's two the one for `task`, which a run has to have
    /// been trained for, too.
    pub fn open(place: &Path, task: Option<Task>) -> Result<Self> {
        let trained = if is_bundle(place) {
            let task = task.with_context(|| {
                format!(
                    "{} is a bundle and holds two networks: say which one with --task",
                    place.display()
                )
            })?;
            Self::of_bundle(&Bundle::open(place)?, task)?
        } else {
            Self::of_run(place)?
        };
        match task {
            Some(task) if task != trained.config.task => bail!(
                "{}, given for {task:?}, was trained for {:?}",
                place.display(),
                trained.config.task
            ),
            _ => Ok(trained),
        }
    }

    /// The best network of a run.
    pub fn of_run(run: &Path) -> Result<Self> {
        let shipped = Shipped::of_run(run)?;
        let state = &shipped.state;
        Ok(Self {
            onnx: shipped.onnx()?,
            int8: None,
            views: Views::Plain,
            config: state.config.clone(),
            parameters: shipped.network.parameters(),
            epoch: shipped.epoch,
            rows: state.train_rows,
            data: state.data.clone(),
            held_out: state.held_out.clone(),
        })
    }

    /// What is written into files of it.
    pub fn description(&self) -> Description {
        Description::of(&self.config)
    }

    fn of_bundle(bundle: &Bundle, task: Task) -> Result<Self> {
        let path = bundle.dir().join(settings_file(task));
        let text = crate::files::read_text(&path)
            .with_context(|| format!("read how the network was trained from {}", path.display()))?;
        let config = toml::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let network = match task {
            Task::Keypoints => &bundle.manifest().keypoints,
            Task::Emotion => &bundle.manifest().emotion,
        };
        let read = |precision| {
            let file = network.file(precision);
            file.map(|file| bundle.read(FileRef::from(file))).transpose()
        };
        let training = &network.training;
        let onnx = read(Precision::F32)?
            .with_context(|| format!("{} holds no network in 32-bit floats", bundle.dir().display()))?;
        let (onnx, int8) = spelled_out(&onnx, read(Precision::Int8)?.as_deref())?;
        Ok(Self {
            config,
            onnx,
            int8,
            views: if network.mirrored {
                Views::Mirrored
            } else {
                Views::Plain
            },
            parameters: network.parameters as usize,
            epoch: training.epochs,
            rows: training.rows,
            data: training.data.as_str().to_owned(),
            held_out: training.held_out.as_str().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_network_whose_labels_lie_to_one_side_is_shown_the_mirror_image() {
        let mut config = TrainConfig::original(Task::Keypoints);
        config.augment.label_offset = [0.0, 0.7];
        assert_eq!(mirrored_views(&config).unwrap(), Views::Mirrored);
        config.augment.label_offset = [0.7, 0.0];
        let refused = mirrored_views(&config).unwrap_err().to_string();
        assert!(refused.contains("0.7 px to the right"), "{refused}");
        config.task = Task::Emotion;
        assert_eq!(mirrored_views(&config).unwrap(), Views::Mirrored);
    }
}
