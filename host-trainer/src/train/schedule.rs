//! Learning rate over the steps of a training.

use std::f64::consts::PI;

/// The rate begins at this share of the highest one and ends at [`LAST`] of it; both are PyTorch's
/// defaults for `OneCycleLR`.
const FIRST: f64 = 1.0 / 25.0;
/// See [`FIRST`].
const LAST: f64 = FIRST / 1e4;

/// Learning rate at `step` of `steps`, counted from 0, as a share of the highest one.
pub(crate) fn one_cycle(step: u64, steps: u64, warmup: f64) -> f64 {
    let position = step as f64 / steps.max(2).saturating_sub(1) as f64;
    if position < warmup {
        along_cosine(FIRST, 1.0, position / warmup)
    } else {
        along_cosine(1.0, LAST, ((position - warmup) / (1.0 - warmup)).min(1.0))
    }
}

/// Learning rate at `step` of `steps`, counted from 0, as a share of the highest one: a straight rise, then half a cosine
/// down to nothing.
pub(crate) fn cosine(step: u64, steps: u64, warmup: f64) -> f64 {
    let position = step as f64 / steps.max(1) as f64;
    if position < warmup {
        (step + 1) as f64 / (warmup * steps as f64).max(1.0)
    } else {
        along_cosine(1.0, 0.0, (position - warmup) / (1.0 - warmup))
    }
    .min(1.0)
}

/// Learning rate in `epoch`, counted from 0, as a share of the first one: multiplied by `factor` after each `every` epochs.
pub(crate) fn stairs(epoch: u32, every: u32, factor: f64) -> f64 {
    factor.powi((epoch / every.max(1)) as i32)
}

/// From `a` at 0 to `b` at 1.
fn along_cosine(a: f64, b: f64, position: f64) -> f64 {
    b + (a - b) * (1.0 + (PI * position).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_one_and_falls_to_nothing() {
        let rate = |step| one_cycle(step, 101, 0.2);
        assert!((rate(0) - 0.04).abs() < 1e-9);
        assert!((rate(10) - 0.52).abs() < 1e-9, "half way up");
        assert!((rate(20) - 1.0).abs() < 1e-9);
        assert!((rate(60) - 0.5).abs() < 1e-4, "half way down");
        assert!(rate(100) < 1e-5);
    }

    #[test]
    fn half_a_cosine_falls_from_one_to_nothing_after_a_straight_rise() {
        let rate = |step| cosine(step, 100, 0.1);
        assert!((rate(0) - 0.1).abs() < 1e-9 && (rate(9) - 1.0).abs() < 1e-9);
        assert!((rate(10) - 1.0).abs() < 1e-9 && (rate(55) - 0.5).abs() < 1e-9);
        assert!(rate(99) < 1e-3 && rate(99) > 0.0);
        assert!((cosine(0, 100, 0.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn stairs_go_down_after_whole_numbers_of_epochs() {
        let rates = [0, 9, 10, 19, 20].map(|epoch| stairs(epoch, 10, 0.5));
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn survives_a_single_step() {
        assert!(one_cycle(0, 1, 0.15).is_finite());
    }
}
