//! Mixes the faces of a batch in pairs (Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018).

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use shared_model::image::INPUT_LEN;

use super::batch::Batch;

/// Mixes each face with the next one of the batch, the last with the first; shares are drawn from a beta
/// distribution with both parameters `alpha`, above 0 and at most 1. A face keeps the larger share of itself.
///
/// Pixels must not be normalised yet: the network is to see pictures as it meets them. Targets are mixed by
/// share and weight, and the total weight becomes that of the mixture.
pub(super) fn mix(batch: &mut Batch, alpha: f32, rng: &mut ChaCha8Rng) {
    if batch.len < 2 {
        return;
    }
    let outputs = batch.targets.len() / batch.len;
    let before = batch.clone();
    batch.total_weight = 0.0;
    for face in 0..batch.len {
        let other = (face + 1) % batch.len;
        let share = beta(alpha, rng);
        let share = share.max(1.0 - share);
        let [own, others] = [face, other].map(|at| at * INPUT_LEN..(at + 1) * INPUT_LEN);
        let pixels = before.inputs[own.clone()].iter().zip(&before.inputs[others]);
        for (mixed, (own, other)) in batch.inputs[own].iter_mut().zip(pixels) {
            *mixed = share * own + (1.0 - share) * other;
        }
        for output in 0..outputs {
            let [own, other] = [face, other].map(|at| at * outputs + output);
            let [part, rest] = [share * before.weights[own], (1.0 - share) * before.weights[other]];
            let weight = part + rest;
            batch.weights[own] = weight;
            if weight > 0.0 {
                batch.targets[own] = (part * before.targets[own] + rest * before.targets[other]) / weight;
            }
        }
        batch.total_weight += f64::from(batch.weights[face * outputs]);
    }
}

/// A number of the beta distribution with both parameters `alpha`, at most 1 (Jöhnk, 1964).
fn beta(alpha: f32, rng: &mut ChaCha8Rng) -> f32 {
    loop {
        let [a, b] = [rng.random::<f32>(), rng.random::<f32>()].map(|part| part.powf(1.0 / alpha));
        if a + b > 0.0 && a + b <= 1.0 {
            return a / (a + b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::sample_rng;

    fn batch() -> Batch {
        Batch {
            inputs: [vec![0.0; INPUT_LEN], vec![1.0; INPUT_LEN]].concat(),
            targets: vec![1.0, 0.0, 0.0, 1.0],
            weights: vec![1.0, 1.0, 3.0, 3.0],
            total_weight: 4.0,
            len: 2,
            ..Batch::default()
        }
    }

    #[test]
    fn targets_follow_the_pixels_by_share_and_weight() {
        for sample in 0..50 {
            let mut mixed = batch();
            mix(&mut mixed, 0.7, &mut sample_rng(0, 0, sample));
            // The second face is white: a pixel is its share.
            let share = mixed.inputs[0];
            assert!((0.0..=0.5).contains(&share), "{share}");
            let weight = (1.0 - share) + 3.0 * share;
            assert!((mixed.weights[0] - weight).abs() < 1e-5);
            assert!((mixed.targets[1] - 3.0 * share / weight).abs() < 1e-5);
            assert!((mixed.targets[0] + mixed.targets[1] - 1.0).abs() < 1e-5);
            let total = f64::from(mixed.weights[0] + mixed.weights[2]);
            assert!((mixed.total_weight - total).abs() < 1e-6);
        }
    }

    #[test]
    fn shares_have_the_moments_of_the_beta_distribution() {
        let mut rng = sample_rng(1, 2, 3);
        for alpha in [0.2, 0.5, 1.0] {
            let shares: Vec<f64> = (0..20_000).map(|_| f64::from(beta(alpha, &mut rng))).collect();
            let mean = shares.iter().sum::<f64>() / 20_000.0;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 20_000.0;
            let expected = 1.0 / (4.0 * (2.0 * f64::from(alpha) + 1.0));
            assert!(
                (mean - 0.5).abs() < 0.02 && (variance - expected).abs() < 0.01,
                "{alpha}: {mean} {variance}"
            );
        }
    }

    #[test]
    fn a_single_face_stays_as_it_is() {
        let mut one = Batch {
            inputs: vec![0.5; INPUT_LEN],
            targets: vec![1.0],
            weights: vec![1.0],
            total_weight: 1.0,
            len: 1,
            ..Batch::default()
        };
        mix(&mut one, 1.0, &mut sample_rng(0, 0, 0));
        assert_eq!((one.inputs[0], one.total_weight), (0.5, 1.0));
    }
}
