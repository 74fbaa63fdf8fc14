//! What is done to the values of a crop before the network sees them.

use serde::{Deserialize, Serialize};

/// What is done to the values of a crop before the network sees them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalisation {
    /// Nothing: the network takes values in 0..=1.
    Unit,
    /// `(x - mean) / (deviation + epsilon)` over the crop's own values: brightness and contrast of the
    /// picture no longer matter.
    Standardise {
        /// Added to the standard deviation; keeps a flat crop finite. Above 0.
        epsilon: f32,
    },
}

impl Normalisation {
    /// Normalises one crop in place.
    pub fn apply(&self, values: &mut [f32]) {
        let Self::Standardise { epsilon } = *self else { return };
        if values.is_empty() {
            return;
        }
        let count = values.len() as f32;
        let mean = values.iter().sum::<f32>() / count;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / count;
        let factor = 1.0 / (libm::sqrtf(variance) + epsilon);
        for value in values {
            *value = (*value - mean) * factor;
        }
    }

    /// Whether its numbers make sense.
    pub fn is_valid(&self) -> bool {
        match *self {
            Self::Unit => true,
            Self::Standardise { epsilon } => epsilon.is_finite() && epsilon > 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardised_values_have_mean_0_and_deviation_1() {
        let mut values = [0.1, 0.5, 0.9, 0.5];
        Normalisation::Standardise { epsilon: 1e-6 }.apply(&mut values);
        let mean: f32 = values.iter().sum::<f32>() / 4.0;
        let variance: f32 = values.iter().map(|v| v * v).sum::<f32>() / 4.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-4, "{values:?}");
        let mut flat = [0.3; 4];
        Normalisation::Standardise { epsilon: 0.05 }.apply(&mut flat);
        assert!(flat.iter().all(|v| v.abs() < 1e-6));
        let mut same = [0.1, 0.2];
        Normalisation::Unit.apply(&mut same);
        assert_eq!(same, [0.1, 0.2]);
    }
}
