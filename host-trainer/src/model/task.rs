//! The two tasks that networks are trained for.

use serde::{Deserialize, Serialize};

/// What a network is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// 15 facial keypoints.
    Keypoints,
    /// The emotion class.
    Emotion,
}

impl Task {
    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keypoints => "keypoints",
            Self::Emotion => "emotion",
        }
    }
}
