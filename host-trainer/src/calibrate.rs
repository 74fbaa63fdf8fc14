//! How far scores can be trusted: temperature and abstention.

use shared_model::emotion::Scores;

/// Lowest and highest temperature tried.
const RANGE: [f64; 2] = [0.05, 20.0];
/// Thresholds are tried in these steps.
const STEP: f32 = 0.01;

/// The temperature with the lowest mean log loss (Guo et al., 2017), by golden-section search over its
/// logarithm; `loss` gives that loss.
pub fn temperature(loss: impl Fn(f32) -> f64) -> f32 {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = RANGE.map(f64::ln);
    let at = |x: f64| loss(x.exp() as f32);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (at(left), at(right));
    while high - low > 1e-3 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = at(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = at(right);
        }
    }
    f64::midpoint(low, high).exp() as f32
}

/// The lowest threshold at which the faces that reach it are right with at least this accuracy; `None`
/// if no threshold up to 0.99 does.
pub fn threshold(judged: &[(Scores, u8)], accuracy: f64) -> Option<f32> {
    (0..100).map(|step| step as f32 * STEP).find(|threshold| {
        let accepted = judged
            .iter()
            .filter_map(|(scores, label)| Some((scores.top()?, *label)));
        let accepted: Vec<bool> = accepted
            .filter(|((_, score), _)| score >= threshold)
            .map(|((class, _), label)| class == usize::from(label))
            .collect();
        let right = accepted.iter().filter(|right| **right).count();
        !accepted.is_empty() && right as f64 >= accuracy * accepted.len() as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_lowest_loss() {
        let found = temperature(|t| (f64::from(t).ln() - 1.7f64.ln()).powi(2));
        assert!((found - 1.7).abs() < 2e-3, "{found}");
    }

    #[test]
    fn threshold_is_the_lowest_that_is_accurate_enough() {
        // Scores of about 0.55 (wrong), 0.65 and 0.85 (right).
        let judged: Vec<(Scores, u8)> = [(0.2, 1), (0.62, 0), (1.735, 0)]
            .map(|(logit, label)| (Scores::from_logits(&[logit, 0.0], 1.0).unwrap(), label))
            .to_vec();
        let above = threshold(&judged, 0.9).unwrap();
        assert!((0.55..0.57).contains(&above), "{above}");
        assert_eq!(threshold(&judged, 0.6), Some(0.0));
        assert_eq!(threshold(&judged[..1], 0.9), None);
    }
}
