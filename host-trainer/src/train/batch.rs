//! One batch of a training.

/// One batch: `n` faces with their targets.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Normalised pixels of the faces, `[n, 96, 96]`.
    pub inputs: Vec<f32>,
    /// What the network should give for each, `[n, outputs]`.
    pub targets: Vec<f32>,
    /// `[n, outputs]`: how much each target counts; 0 where a keypoint is missing.
    pub weights: Vec<f32>,
    /// What the loss sum is divided by: keypoints that count, or faces by their weight.
    pub total_weight: f64,
    /// `[outputs]`: what is added to the logits before the loss; empty where nothing is.
    pub offsets: Vec<f32>,
    /// Of keypoints: pixels that one unit of a target is.
    pub unit_px: Option<f32>,
    /// Number of faces, `n` of the shapes above.
    pub len: usize,
}

impl Batch {
    /// What outputs `[n, outputs]` are worth, as a sum and what it is divided by: faces whose highest output is the class
    /// with the largest part of the target, of the faces that count; or squared errors in px², of the coordinates that do.
    pub(crate) fn measure(&self, outputs: &[f32]) -> [f64; 2] {
        let width = (outputs.len() / self.len.max(1)).max(1);
        let faces = outputs.chunks_exact(width).zip(self.targets.chunks_exact(width));
        let faces = faces.zip(self.weights.chunks_exact(width));
        let worth = faces.map(|((outputs, targets), weights)| match self.unit_px {
            Some(unit) => squared_errors(outputs, targets, weights, f64::from(unit)),
            None if weights[0] > 0.0 => [f64::from(u8::from(top(outputs) == top(targets))), 1.0],
            None => [0.0; 2],
        });
        worth.fold([0.0; 2], |sum, own| [sum[0] + own[0], sum[1] + own[1]])
    }
}

/// Squared errors of one face in px², and how many coordinates they are.
fn squared_errors(outputs: &[f32], targets: &[f32], weights: &[f32], unit: f64) -> [f64; 2] {
    let values = outputs.iter().zip(targets).zip(weights);
    values.fold([0.0; 2], |[sum, count], ((output, target), weight)| {
        let (error, weight) = (f64::from(output - target) * unit, f64::from(*weight));
        [sum + error * error * weight, count + weight]
    })
}

/// Place of the largest value, the first of several.
fn top(values: &[f32]) -> usize {
    let larger = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
    (0..values.len()).fold(0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_right_where_the_largest_part_of_the_target_is() {
        let batch = Batch {
            targets: vec![0.1, 0.9, 0.6, 0.4, 1.0, 0.0],
            // The last face does not count, and the second counts no more than the first.
            weights: vec![1.0, 1.0, 3.0, 3.0, 0.0, 0.0],
            len: 3,
            ..Batch::default()
        };
        assert_eq!(batch.measure(&[-1.0, 2.0, 0.0, 1.0, 5.0, 0.0]), [1.0, 2.0]);
    }

    #[test]
    fn errors_are_in_pixels_and_missing_points_do_not_count() {
        let batch = Batch {
            targets: vec![0.5, -0.5, 1.0, 0.0],
            weights: vec![1.0, 1.0, 1.0, 0.0],
            unit_px: Some(10.0),
            len: 2,
            ..Batch::default()
        };
        assert_eq!(batch.measure(&[0.7, -0.5, 1.0, 9.0]).map(f64::round), [4.0, 3.0]);
    }
}
