//! What a training does: every choice in one value, saved beside the weights.
//!
//! [`TrainConfig::original`] is the Keras original. A recipe is a TOML file that names only what it
//! changes; it is laid over the original, so each recipe reads as its difference.

use std::path::Path;

use serde::{Deserialize, Serialize};
use shared_model::emotion::ClassSet;
use shared_model::image::Normalisation;

use crate::augment::AugmentConfig;
use crate::model::{Architecture, Freeze, Task};
use crate::one_or_more;

mod difference;
pub mod keys;
mod motion;
mod sets;
mod split;

pub use difference::Difference;
pub(crate) use difference::between;
pub use motion::{Monitor, Optimiser, Rule, Schedule, Stop};
pub use sets::{Divided, OTHER, SetConfig};
pub use split::{SplitBy, SplitConfig};

/// Everything that decides what a training does, beside the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// What the network is to tell: keypoints or emotions.
    pub task: Task,
    /// The classes of an emotion network, and those that a keypoint network is bundled with.
    pub classes: ClassSet,
    /// What the numbers in the column `emotion` mean, from 0; empty for what they mean in FER2013, or in the notebook's
    /// file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Seed of weights, split, order, augmentation and dropout. At most `i64::MAX`, TOML's largest.
    pub seed: u64,
    /// Faces in one step, over all replicas.
    pub batch: usize,
    /// The most epochs, 1 to 100,000; the training may stop earlier.
    pub epochs: u32,
    /// Copies of the network that share each batch, one a thread. Batch normalisation sees only its
    /// replica's share, so another number gives another (equally good) network.
    pub replicas: usize,
    /// Weights are averaged over steps with this decay, 0 to below 1; 0 is off.
    pub average: f32,
    /// Two faces of a batch are mixed in shares drawn from a beta distribution with this for both parameters
    /// (Zhang et al., 2018), pixels and targets alike; 0 is off, 1 mixes most.
    #[serde(default)]
    pub mixup: f32,
    /// SHA-256 of the weights of the network whose trunk this one begins with, in hexadecimal; none is a
    /// trunk of random weights. Set by what is given to the training, not by a recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
    /// The same of the network that this one begins with, head and all, or of each whose mean it begins with; none
    /// together with `trunk`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "one_or_more")]
    pub from: Vec<String>,
    /// What of that network stays as it is; nothing without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// What part another network has in the targets; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Teacher>,
    /// What the network looks like.
    pub architecture: Architecture,
    /// What is done to a face before the network sees it.
    pub normalisation: Normalisation,
    /// How rows become a training, a validation and a test part.
    pub split: SplitConfig,
    /// How training faces are varied.
    pub augment: AugmentConfig,
    /// What the training minimises, by the kind of task.
    pub loss: Loss,
    /// How a step moves the weights.
    pub optimiser: Optimiser,
    /// How fast they move over time.
    pub schedule: Schedule,
    /// When to stop, and what to keep.
    pub stop: Stop,
    /// How each of several data sets is framed, drawn and divided, in the order in which they are given; empty
    /// where one is trained on as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetConfig>,
}

/// A network from whose answers another one learns, beside labels and votes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Its share of the target, above 0 to 1.
    pub share: f32,
    /// SHA-256 of its file, in hexadecimal. Set by what is given to the training, not by a recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// What a training minimises, averaged over the faces of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Loss {
    /// Mean squared error of the coordinates, in square pixels of the 96x96 crop.
    MeanSquaredError,
    /// Smooth L1 (quadratic below `beta`) on offsets from the mean shape in units of 10 pixels. The
    /// mean shape is the training part's; export folds it into the last layer.
    SmoothL1 {
        /// Where the quadratic part ends, in units of 10 pixels.
        beta: f64,
    },
    /// Cross entropy of the classes.
    CrossEntropy {
        /// Share of the target that is spread over all classes, 0 in the original.
        smoothing: f32,
        /// Weighs classes by the inverse of their frequency to this power; 0 is off, 1 balances fully.
        balance: f32,
        /// Share of the taggers' votes in the target, where votes were given; the rest is the label.
        votes: f32,
        /// Without it votes for none of the classes are passed over, and so are faces with such a label. With
        /// it these faces are trained on by their other votes, and each face counts by the share of its votes
        /// that is for a class; of the rest this share, 0 to 1, counts as well, spread over all classes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outside: Option<f32>,
        /// Adds this times the logarithm of each class's frequency to its logit in training (Menon et al.,
        /// 2021), so that rare classes get their chance; 0 is off, 1 is full.
        #[serde(default)]
        adjust: f32,
    },
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read recipe {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no recipe.
    #[error("recipe {path}: {message}")]
    Recipe {
        /// The file.
        path: String,
        /// Where and what.
        message: String,
    },
    /// A value is out of its range.
    #[error("training setting `{key}` must be {expected}")]
    Value {
        /// Which.
        key: &'static str,
        /// Its range.
        expected: &'static str,
    },
    /// An augmentation is out of its range.
    #[error("training setting `augment`: {0}")]
    Augment(#[from] crate::augment::AugmentError),
}

impl TrainConfig {
    /// The Keras original, with a split that does not leak.
    pub fn original(task: Task) -> Self {
        let classes = ClassSet::product();
        Self {
            task,
            labels: Vec::new(),
            seed: 42,
            batch: 64,
            epochs: 100,
            replicas: std::thread::available_parallelism().map_or(1, usize::from),
            average: 0.0,
            mixup: 0.0,
            trunk: None,
            from: Vec::new(),
            freeze: None,
            teacher: None,
            architecture: Architecture::original(task, classes.len()),
            classes,
            normalisation: Normalisation::Unit,
            split: SplitConfig {
                by: SplitBy::Group,
                test: if task == Task::Keypoints { 0.2 } else { 0.05 },
                validation: 0.05,
            },
            augment: AugmentConfig::honest(),
            loss: match task {
                Task::Keypoints => Loss::MeanSquaredError,
                Task::Emotion => Loss::CrossEntropy {
                    smoothing: 0.0,
                    balance: 0.0,
                    votes: 0.0,
                    outside: None,
                    adjust: 0.0,
                },
            },
            optimiser: Optimiser {
                rule: Rule::Adam,
                momentum: None,
                learning_rate: 8e-4,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-7,
                amsgrad: false,
                weight_decay: 0.0,
                decoupled: false,
                clip: 0.0,
            },
            schedule: Schedule::Plateau {
                factor: 0.65,
                patience: 5,
                minimum: 1e-8,
            },
            stop: Stop {
                patience: 12,
                monitor: Monitor::Loss,
            },
            sets: Vec::new(),
        }
    }

    /// The original with the original's own protocol: vary first, then divide.
    #[must_use]
    pub fn with_original_protocol(mut self) -> Self {
        self.split.by = SplitBy::Variants;
        self.augment = AugmentConfig::original();
        self
    }

    /// Lays a recipe over these settings.
    pub fn with_recipe(&self, path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = crate::files::read_text(path).map_err(|source| ConfigError::Read {
            path: shown.clone(),
            source,
        })?;
        self.overlaid(&text)
            .map_err(|message| ConfigError::Recipe { path: shown, message })
    }

    fn overlaid(&self, text: &str) -> Result<Self, String> {
        let mut recipe: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut own = toml::Table::try_from(self).map_err(|error| error.to_string())?;
        count_classes(&mut recipe, &own);
        lay_over(&mut own, recipe);
        own.try_into().map_err(|error: toml::de::Error| error.to_string())
    }

    /// Refuses settings outside their ranges, or that contradict each other.
    ///
    /// # Errors
    /// The first setting that cannot be used, with what it may be.
    pub fn check(&self) -> Result<(), ConfigError> {
        require((1..=4096).contains(&self.batch), "batch", "in 1..=4096")?;
        require((1..=100_000).contains(&self.epochs), "epochs", "in 1..=100000")?;
        let replicas = (1..=64).contains(&self.replicas) && self.replicas <= self.batch;
        require(replicas, "replicas", "in 1..=64 and at most the batch")?;
        // Epochs are chosen by the validation part.
        let validation = self.split.validation > 0.0 && self.split.validation < 1.0;
        require(validation, "split.validation", "above 0 and below 1")?;
        require(
            self.split.by != SplitBy::Stratified || self.task == Task::Emotion,
            "split.by",
            "`group` for keypoints: they have no classes to keep in proportion",
        )?;
        require((0.0..1.0).contains(&self.average), "average", "at least 0 and below 1")?;
        require(
            (1..=3).contains(&self.architecture.stages),
            "architecture.stages",
            "1, 2 or 3",
        )?;
        require(
            self.normalisation.is_valid(),
            "normalisation.epsilon",
            "a number above 0",
        )?;
        self.optimiser.check()?;
        self.schedule.check()?;
        require(
            self.loss.fits(self.task),
            "loss",
            "one of the task's: errors for keypoints, cross entropy for emotion",
        )?;
        let accuracy = self.stop.monitor == Monitor::Accuracy;
        require(
            !accuracy || self.task == Task::Emotion,
            "stop.monitor",
            "loss for keypoints",
        )?;
        require(
            self.architecture.head.fits(self.task, self.classes.len()),
            "architecture.head",
            "one of the task's",
        )?;
        let mixup = self.mixup == 0.0 || self.task == Task::Emotion && (0.0..=1.0).contains(&self.mixup);
        require(mixup, "mixup", "0 to 1, and 0 for keypoints")?;
        let taught = self
            .teacher
            .as_ref()
            .is_none_or(|own| own.share > 0.0 && own.share <= 1.0);
        require(taught, "teacher.share", "above 0 and at most 1")?;
        require(
            self.sets.is_empty() || self.task == Task::Emotion,
            "sets",
            "empty for keypoints",
        )?;
        self.sets.iter().try_for_each(|set| set.check(&self.classes))?;
        self.augment.check()?;
        Ok(())
    }

    /// Refuses to freeze random weights; `from` and `trunk` must be noted.
    ///
    /// # Errors
    /// The key `freeze`, where no network is begun with.
    pub fn check_frozen(&self) -> Result<(), ConfigError> {
        require(
            self.freeze.is_none() || !self.from.is_empty() || self.trunk.is_some(),
            "freeze",
            "left out where neither --from nor --trunk gives weights: random ones would stay as they are",
        )
    }
}

impl Loss {
    /// What becomes of votes for none of the classes; see [`Loss::CrossEntropy`].
    pub fn outside(self) -> Option<f32> {
        match self {
            Self::CrossEntropy { outside, .. } => outside,
            _ => None,
        }
    }

    fn fits(self, task: Task) -> bool {
        matches!(self, Self::CrossEntropy { .. }) == (task == Task::Emotion)
    }
}

fn require(holds: bool, key: &'static str, expected: &'static str) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::Value { key, expected })
    }
}

/// A head has as many outputs as there are classes, unless the recipe says otherwise.
fn count_classes(recipe: &mut toml::Table, own: &toml::Table) {
    let count = |table: &toml::Table| Some(table.get("classes")?.as_array()?.len() as i64);
    let is_emotion = |table: &toml::Table| {
        let head = table.get("architecture")?.get("head")?;
        (head.get("kind")?.as_str()? == "emotion").then_some(())
    };
    let Some(classes) = count(recipe).or_else(|| count(own)) else {
        return;
    };
    if is_emotion(recipe).or_else(|| is_emotion(own)).is_none() {
        return;
    }
    let empty = || toml::Value::Table(toml::Table::new());
    let architecture = recipe.entry("architecture").or_insert_with(empty);
    let head = architecture
        .as_table_mut()
        .map(|table| table.entry("head").or_insert_with(empty));
    if let Some(head) = head.and_then(toml::Value::as_table_mut) {
        head.entry("classes").or_insert(toml::Value::Integer(classes));
    }
}

/// Tables are merged key by key, anything else is replaced; so is a table of another `kind`.
fn lay_over(own: &mut toml::Table, recipe: toml::Table) {
    for (key, value) in recipe {
        match (own.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above))
                if above.get("kind").is_none_or(|kind| below.get("kind") == Some(kind)) =>
            {
                lay_over(below, above);
            }
            (_, value) => {
                own.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
