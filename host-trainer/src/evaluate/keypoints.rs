//! Error of predicted keypoints, in pixels of the 96 x 96 crop.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use shared_model::keypoints::{COUNT, Keypoints, LEFT_EYE, NAMES, RIGHT_EYE};

use super::MetricError;

/// Normalised error above which a face counts as failed, as in the benchmarks of the field.
const FAILURE: f64 = 0.1;

/// Errors over a set of faces; points whose place is not known do not count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeypointMetrics {
    /// Faces with at least one known point.
    pub faces: u64,
    /// Points of these faces whose true place is known.
    pub points: u64,
    /// Mean of the squared error over all coordinates of known points, in px²; Kaggle's measure is its root.
    pub mse_px2: f64,
    /// Root of `mse_px2`, in px.
    pub rmse_px: f64,
    /// Mean distance between predicted and true point, in px.
    pub mean_error_px: f64,
    /// Mean of (predicted - true place) over known points, to the right and downwards, in px: what all predictions are off
    /// by together, because a label means another place than the network learnt.
    #[serde(default)]
    pub mean_shift_px: Option<[f64; 2]>,
    /// Mean over faces of (the mean distance over the face's known points / the distance of its true
    /// eye centres), without unit. Faces without both eye centres, or with both in one place, are left
    /// out; `None` if no face remains.
    pub normalised_error: Option<f64>,
    /// Faces that `normalised_error` is the mean of.
    pub normalised_faces: u64,
    /// Area below the cumulative distribution of the faces' normalised errors up to 0.1, divided by 0.1: 1 is perfect.
    #[serde(default)]
    pub auc_10: Option<f64>,
    /// Share of these faces whose normalised error is above 0.1.
    #[serde(default)]
    pub failures_10: Option<f64>,
    /// What the mean shape of the training part comes to on the same faces, where that part is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_shape: Option<MeanShape>,
    /// The same per point, in the order of the keypoints; points never known are left out.
    pub per_point: Vec<PointMetrics>,
}

/// Errors of whoever always gives the same mean shape: a network must beat them to be worth anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanShape {
    /// Mean of the squared error over all coordinates of known points, in px².
    pub mse_px2: f64,
    /// Root of `mse_px2`, in px.
    pub rmse_px: f64,
}

/// Errors of one of the 15 points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointMetrics {
    /// Name of the point, as the CSV's columns have it.
    pub name: String,
    /// Faces on which it is known.
    pub faces: u64,
    /// Mean distance between predicted and true point, in px.
    pub mean_error_px: f64,
    /// Root of the mean squared error of its coordinates, in px.
    pub rmse_px: f64,
}

/// Sums over known points.
#[derive(Clone, Copy, Default)]
struct Sums {
    points: u64,
    squared: f64,
    distance: f64,
}

impl Sums {
    fn add(&mut self, squared: f64) {
        self.points += 1;
        self.squared += squared;
        self.distance += squared.sqrt();
    }

    /// Mean squared error of a coordinate: two per point.
    fn mse(&self) -> f64 {
        self.squared / (2 * self.points) as f64
    }

    fn mean_distance(&self) -> f64 {
        self.distance / self.points as f64
    }
}

impl KeypointMetrics {
    /// Measures faces given as predicted points, true points and which of those are known.
    pub fn measure(
        faces: impl IntoIterator<Item = (Keypoints, Keypoints, [bool; COUNT])>,
    ) -> Result<Self, MetricError> {
        let mut per_point = [Sums::default(); COUNT];
        let (mut known_faces, mut normalised, mut shift) = (0, Vec::new(), [0.0; 2]);
        for (face, (predicted, truth, present)) in (0..).zip(faces) {
            let mut own = Sums::default();
            for at in (0..COUNT).filter(|at| present[*at]) {
                let squared = squared_distance(predicted.0[at], truth.0[at]);
                if !squared.is_finite() {
                    return Err(MetricError::NotFinite { face });
                }
                own.add(squared);
                per_point[at].add(squared);
                for (axis, sum) in shift.iter_mut().enumerate() {
                    *sum += f64::from(predicted.0[at][axis]) - f64::from(truth.0[at][axis]);
                }
            }
            known_faces += u64::from(own.points > 0);
            normalised.extend(normalised_error(&predicted, &truth, &present));
        }
        let all = total(&per_point);
        if all.points == 0 {
            return Err(MetricError::Empty);
        }
        Ok(Self {
            faces: known_faces,
            points: all.points,
            mse_px2: all.mse(),
            rmse_px: all.mse().sqrt(),
            mean_error_px: all.mean_distance(),
            mean_shift_px: Some(shift.map(|sum| sum / all.points as f64)),
            normalised_error: mean(&normalised, |error| error),
            normalised_faces: normalised.len() as u64,
            // The integral of a distribution that steps up at each error.
            auc_10: mean(&normalised, |error| (1.0 - error / FAILURE).max(0.0)),
            failures_10: mean(&normalised, |error| f64::from(u8::from(error > FAILURE))),
            mean_shape: None,
            per_point: named(&per_point),
        })
    }

    /// The figures as plain text in columns, for a terminal.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<26}{value}");
        };
        line("faces", format!("{:>10}", self.faces));
        line("points", format!("{:>10}", self.points));
        line(
            "mean squared error",
            format!("{:>10.4} px² of a coordinate", self.mse_px2),
        );
        line(
            "root mean squared error",
            format!("{:>10.4} px of a coordinate", self.rmse_px),
        );
        line(
            "mean error",
            format!("{:>10.4} px of a point, as a distance", self.mean_error_px),
        );
        if let Some([right, down]) = self.mean_shift_px {
            line(
                "mean shift",
                format!("{right:>10.4} px to the right, {down:.4} px down"),
            );
        }
        if let Some(error) = self.normalised_error {
            let faces = self.normalised_faces;
            line("mean error / eye distance", format!("{error:>10.4} ({faces} faces)"));
        }
        if let (Some(area), Some(failures)) = (self.auc_10, self.failures_10) {
            line("area of that up to 0.1", format!("{area:>10.4}"));
            line("share above 0.1", format!("{failures:>10.4}"));
        }
        if let Some(MeanShape { mse_px2, rmse_px }) = self.mean_shape {
            line("of the mean shape", format!("{mse_px2:>10.4} px² of a coordinate"));
            line("root of that", format!("{rmse_px:>10.4} px of a coordinate"));
        }
        line("", String::new());
        line("", format!("{:>10}{:>12}{:>10}", "error px", "rmse px", "faces"));
        for point in &self.per_point {
            let PointMetrics {
                mean_error_px, rmse_px, ..
            } = point;
            line(
                &point.name,
                format!("{mean_error_px:>10.3}{rmse_px:>12.3}{:>10}", point.faces),
            );
        }
        text
    }
}

/// Mean distance over a face's known points, divided by the distance of its true eye centres; `None` without both of these,
/// or with both in one place.
pub fn normalised_error(predicted: &Keypoints, truth: &Keypoints, present: &[bool; COUNT]) -> Option<f64> {
    let eyes = f64::from(truth.eye_distance());
    let mut own = Sums::default();
    for at in (0..COUNT).filter(|at| present[*at]) {
        own.add(squared_distance(predicted.0[at], truth.0[at]));
    }
    (present[LEFT_EYE] && present[RIGHT_EYE] && eyes > 0.0).then(|| own.mean_distance() / eyes)
}

/// Distance between predicted and true place of each known point of a face, in px.
pub fn point_distances(predicted: &Keypoints, truth: &Keypoints, present: &[bool; COUNT]) -> impl Iterator<Item = f64> {
    let known = (0..COUNT).filter(|at| present[*at]);
    known.map(|at| squared_distance(predicted.0[at], truth.0[at]).sqrt())
}

fn mean(values: &[f64], of: fn(f64) -> f64) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| of(*value)).sum();
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

fn squared_distance(a: [f32; 2], b: [f32; 2]) -> f64 {
    let [x, y] = [0, 1].map(|axis| f64::from(a[axis]) - f64::from(b[axis]));
    x * x + y * y
}

fn total(per_point: &[Sums]) -> Sums {
    per_point.iter().fold(Sums::default(), |sum, point| Sums {
        points: sum.points + point.points,
        squared: sum.squared + point.squared,
        distance: sum.distance + point.distance,
    })
}

fn named(per_point: &[Sums; COUNT]) -> Vec<PointMetrics> {
    let known = NAMES.iter().zip(per_point).filter(|(_, sums)| sums.points > 0);
    known
        .map(|(name, sums)| PointMetrics {
            name: (*name).to_owned(),
            faces: sums.points,
            mean_error_px: sums.mean_distance(),
            rmse_px: sums.mse().sqrt(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All points at 0 but the left eye centre at (30, 40): eye distance 50.
    fn truth() -> Keypoints {
        let mut truth = Keypoints([[0.0; 2]; COUNT]);
        truth.0[LEFT_EYE] = [30.0, 40.0];
        truth
    }

    /// The truth with point `at` off by (3, 4).
    fn off(at: usize) -> Keypoints {
        let mut points = truth();
        points.0[at][0] += 3.0;
        points.0[at][1] += 4.0;
        points
    }

    fn only(known: &[usize]) -> [bool; COUNT] {
        std::array::from_fn(|at| known.contains(&at))
    }

    #[test]
    fn figures_worked_out_by_hand() {
        // Face 1: eyes and nose known, nose off by 5. Face 2: nose and mouth known, nose off by 5, no eyes.
        let faces = [
            (off(10), truth(), only(&[LEFT_EYE, RIGHT_EYE, 10])),
            (off(10), truth(), only(&[10, 14])),
        ];
        let metrics = KeypointMetrics::measure(faces).unwrap();
        assert_eq!((metrics.faces, metrics.points, metrics.normalised_faces), (2, 5, 1));
        // Two points with 9 + 16 over ten coordinates.
        assert!((metrics.mse_px2 - 5.0).abs() < 1e-12);
        assert!((metrics.rmse_px - 5.0_f64.sqrt()).abs() < 1e-12);
        // Two distances of 5 over five points; 5 over three points and 50 px between the eyes.
        assert!((metrics.mean_error_px - 2.0).abs() < 1e-12);
        // Twice (3, 4) over five points.
        let [right, down] = metrics.mean_shift_px.unwrap();
        assert!((right - 1.2).abs() < 1e-12 && (down - 1.6).abs() < 1e-12);
        assert!((metrics.normalised_error.unwrap() - 5.0 / 3.0 / 50.0).abs() < 1e-12);
        // One face, a third of the way to 0.1.
        assert!((metrics.auc_10.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(metrics.failures_10, Some(0.0));
        let nose = &metrics.per_point[2];
        assert_eq!(
            (nose.name.as_str(), nose.faces, nose.mean_error_px),
            ("nose_tip", 2, 5.0)
        );
        assert!((nose.rmse_px - 12.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(metrics.per_point.len(), 4);
    }

    #[test]
    fn missing_points_do_not_count() {
        let metrics = KeypointMetrics::measure([(off(3), truth(), only(&[5]))]).unwrap();
        assert_eq!(
            (metrics.mse_px2, metrics.points, metrics.normalised_error),
            (0.0, 1, None)
        );
        let none = KeypointMetrics::measure([(off(3), truth(), only(&[])), (off(3), truth(), only(&[2]))]).unwrap();
        assert_eq!((none.faces, none.points), (1, 1));
    }

    #[test]
    fn eyes_in_one_place_are_left_out_of_the_normalised_error() {
        let same = Keypoints([[1.0; 2]; COUNT]);
        let metrics = KeypointMetrics::measure([(off(2), same, [true; COUNT])]).unwrap();
        assert_eq!((metrics.normalised_error, metrics.normalised_faces), (None, 0));
    }

    #[test]
    fn refuses_no_faces_and_predictions_that_are_no_numbers() {
        assert_eq!(KeypointMetrics::measure([]), Err(MetricError::Empty));
        let mut broken = truth();
        broken.0[7][1] = f32::NAN;
        let faces = |present| [(truth(), truth(), only(&[1])), (broken, truth(), present)];
        assert_eq!(
            KeypointMetrics::measure(faces(only(&[7]))),
            Err(MetricError::NotFinite { face: 1 })
        );
        assert!(KeypointMetrics::measure(faces(only(&[6]))).is_ok());
    }

    #[test]
    fn table_aligns_and_json_keeps_the_figures() {
        let mut metrics = KeypointMetrics::measure([(off(10), truth(), [true; COUNT])]).unwrap();
        assert!(
            !metrics.table().contains("mean shape"),
            "nobody knows the training part"
        );
        metrics.mean_shape = Some(MeanShape {
            mse_px2: 4.0,
            rmse_px: 2.0,
        });
        let table = metrics.table();
        assert!(
            table.contains("\nof the mean shape             4.0000 px² of a coordinate\n"),
            "{table}"
        );
        assert!(
            table.contains("\nmean squared error            0.8333 px² of a coordinate\n"),
            "{table}"
        );
        assert!(
            table.contains("\nmean error / eye distance     0.0067 (1 faces)\n"),
            "{table}"
        );
        assert!(
            table.contains("\nnose_tip                       5.000       3.536         1\n"),
            "{table}"
        );
        let json = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<KeypointMetrics>(&json).unwrap(), metrics);
    }
}
