//! Figures with the interval that the number of faces allows (Efron's percentile bootstrap).
//!
//! What is drawn again are *units*: persons where several faces are one person's, else single faces.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// Samples drawn.
const SAMPLES: usize = 1000;
/// Share of the samples that lies in the interval.
const INSIDE: f64 = 0.95;

/// A figure with the interval in which it lies in 95 of 100 samples of this size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure on the faces themselves.
    pub value: f64,
    /// Lower end of the interval, in the figure's unit.
    pub low: f64,
    /// Upper end of the interval, in the figure's unit.
    pub high: f64,
}

/// Faces in units that are drawn together.
#[derive(Debug, Clone, Default)]
pub struct Units(Vec<Vec<usize>>);

impl Units {
    /// Faces with the same number are one unit; a face is its place in `numbers`.
    pub fn new(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut units: std::collections::BTreeMap<u32, Vec<usize>> = std::collections::BTreeMap::new();
        for (face, number) in numbers.into_iter().enumerate() {
            units.entry(number).or_default().push(face);
        }
        Self(units.into_values().collect())
    }

    /// `figure` of all faces, with its interval; `None` where there is none.
    pub fn figure(&self, figure: impl Fn(&[usize]) -> Option<f64>) -> Option<Figure> {
        let all: Vec<usize> = self.0.iter().flatten().copied().collect();
        let value = figure(&all)?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut drawn = Vec::new();
        let mut samples: Vec<f64> = (0..SAMPLES)
            .filter_map(|_| {
                drawn.clear();
                for _ in 0..self.0.len() {
                    drawn.extend(&self.0[rng.random_range(0..self.0.len())]);
                }
                figure(&drawn)
            })
            .collect();
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
        let outside = (1.0 - INSIDE) / 2.0;
        Some(Figure {
            value,
            low: at(outside).min(value),
            high: at(1.0 - outside).max(value),
        })
    }

    /// The share of faces for which `hit` is true among those for which it is anything.
    ///
    /// Where it is none or all of them, every sample is alike; the interval then ends where so clean a result still
    /// has a probability of 2.5 %.
    pub fn share(&self, hit: impl Fn(usize) -> Option<bool>) -> Option<Figure> {
        let of = |faces: &[usize]| {
            let hits = faces.iter().filter_map(|face| hit(*face));
            let (count, right) = hits.fold((0u32, 0u32), |(count, right), hit| (count + 1, right + u32::from(hit)));
            (count > 0).then(|| f64::from(right) / f64::from(count))
        };
        let figure = self.figure(of)?;
        let concerned = self
            .0
            .iter()
            .filter(|unit| unit.iter().any(|face| hit(*face).is_some()))
            .count();
        let beyond = 1.0 - ((1.0 - INSIDE) / 2.0).powf(1.0 / concerned as f64);
        Some(match figure.value {
            0.0 => Figure { high: beyond, ..figure },
            1.0 => Figure {
                low: 1.0 - beyond,
                ..figure
            },
            _ => figure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_about_that_of_the_normal_distribution() {
        let units = Units::new(0..1000);
        let found = units.share(|face| Some(face % 5 == 0)).unwrap();
        assert!((found.value - 0.2).abs() < 1e-9);
        // 0.2 +- 1.96 * sqrt(0.2 * 0.8 / 1000) = 0.175 to 0.225.
        assert!(
            (found.low - 0.175).abs() < 0.004 && (found.high - 0.225).abs() < 0.004,
            "{found:?}"
        );
    }

    #[test]
    fn faces_of_one_person_do_not_make_it_narrower() {
        let units = Units::new((0..1000).map(|face| face / 10));
        let found = units.share(|face| Some(face / 10 % 5 == 0)).unwrap();
        // As for 100 faces: 0.2 +- 0.078.
        assert!((found.high - 0.278).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn none_of_51_may_still_be_seven_in_a_hundred() {
        // Clopper and Pearson: 1 - 0.025^(1/51) = 0.0698.
        let found = Units::new(0..51).share(|_| Some(false)).unwrap();
        assert_eq!((found.value, found.low), (0.0, 0.0));
        assert!((found.high - 0.0698).abs() < 1e-4, "{found:?}");
        let all = Units::new(0..51).share(|_| Some(true)).unwrap();
        assert!((all.low - 0.9302).abs() < 1e-4 && all.high >= 1.0);
    }

    #[test]
    fn faces_that_do_not_count_are_passed_over() {
        let units = Units::new(0..10);
        assert_eq!(units.share(|_| None), None);
        let found = units.share(|face| (face < 4).then_some(face < 1)).unwrap();
        assert!((found.value - 0.25).abs() < 1e-9);
    }
}
