//! Another detector, of which only the boxes are known.

use inference::PredictError;
use vision::detector::decode::{Detection, POINTS};

use super::{Detected, FindsFaces, Task};
use crate::detector::data::{Photo, Predicted, Predictions};

impl FindsFaces for Predictions {
    /// The boxes that the file has of this photo; whatever the task says of input and variation, they are the same.
    fn detect(&self, photo: &Photo, task: &Task) -> Result<Detected, PredictError> {
        let detection = |predicted: &Predicted| Detection {
            score: predicted.score,
            bounds: predicted.bounds.map(|value| value * photo.scale),
            points: [[0.0; 2]; POINTS],
        };
        let sure = |predicted: &&Predicted| predicted.score >= task.limits.score;
        let mut found: Vec<Detection> = self.of(&photo.name).iter().filter(sure).map(detection).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Detected {
            found,
            faces: photo.faces.clone(),
            dropped: 0,
        })
    }
}
