//! The average of the weights over the steps.

/// Moves an average towards the weights after so many steps.
pub(super) fn blend(average: &mut [Vec<f32>], new: &[Vec<f32>], decay: f32, steps: u64) {
    // The first weights are random: the average begins short and grows.
    let steps = steps as f32;
    let decay = decay.min((1.0 + steps) / (10.0 + steps));
    for (average, new) in average.iter_mut().flatten().zip(new.iter().flatten()) {
        *average = *average * decay + new * (1.0 - decay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_begins_short_and_then_keeps_its_share() {
        let mut average = vec![vec![0.0], vec![100.0]];
        let new = [vec![10.0], vec![200.0]];
        blend(&mut average, &new, 0.5, 0);
        // A tenth of the old after the first step, half of it after many.
        assert_eq!(average, [vec![9.0], vec![190.0]]);
        blend(&mut average, &new, 0.5, 1000);
        assert_eq!(average, [vec![9.5], vec![195.0]]);
    }
}
