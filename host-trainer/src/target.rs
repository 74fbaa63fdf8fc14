//! What a keypoint network is trained to give, as a map between its outputs and pixels.

use shared_model::image::SIDE;
use shared_model::keypoints::{COORDINATES, COUNT};

use crate::data::KeypointData;

/// Affine map between pixels and what a keypoint network is trained to give:
/// `pixels = mean + scale * output`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// Mean position of each coordinate in pixels of the crop.
    pub mean: Vec<f32>,
    /// Pixels in one unit of output.
    pub scale: f32,
}

impl Target {
    /// For outputs that are pixels already: no shift, and a scale of 1.
    pub fn pixels() -> Self {
        Self {
            mean: vec![0.0; COORDINATES],
            scale: 1.0,
        }
    }

    /// Outputs are offsets from the mean shape of these rows in units of 10 pixels.
    pub(crate) fn mean_shape(data: &KeypointData, rows: &[u32]) -> Self {
        let mut sums = [[0.0f64; 3]; COUNT];
        for row in rows.iter().map(|row| *row as usize) {
            for (at, sum) in sums.iter_mut().enumerate().filter(|(at, _)| data.present[row][*at]) {
                let [x, y] = data.points[row].0[at];
                *sum = [sum[0] + f64::from(x), sum[1] + f64::from(y), sum[2] + 1.0];
            }
        }
        // A point that no face has is never trained; the middle of the crop is as good as any.
        let centre = SIDE as f32 / 2.0;
        let mean = |[x, y, n]: [f64; 3]| {
            if n > 0.0 {
                [(x / n) as f32, (y / n) as f32]
            } else {
                [centre; 2]
            }
        };
        Self {
            mean: sums.into_iter().flat_map(mean).collect(),
            scale: 10.0,
        }
    }
}
