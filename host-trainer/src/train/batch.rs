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
    /// Number of faces, `n` of the shapes above.
    pub len: usize,
}
