//! How a face looks, measured on a small square of it: whether it is bright, rich in contrast and sharp enough to be
//! judged.

use shared_model::image::{GrayView, Rect, sample};
use shared_model::message::RejectReason;

/// Side of the square in pixels.
const SIDE: usize = 48;

/// Least rows of the picture that are sampled for each of the square's.
const ROWS: f32 = 3.0;

/// What a face must show to be judged. The limits lie below nearly all detected faces of the project's photographs and
/// films.
struct QualitySettings {
    /// Mean grey, of 1, below which a face is too dark.
    grey: f32,
    /// Standard deviation of the grey values, of 1, below which light and shade hardly differ. 1 % of those faces have less
    /// than 0.047.
    contrast: f32,
    /// Variance of the Laplacian over the variance of the grey values, below which a face is blurred. 1 % of those faces
    /// have less than 0.014. Blurred by a Gaussian of 6 % of the face's side all have less than 0.02, and half less than
    /// 0.005.
    sharpness: f32,
}

const SETTINGS: QualitySettings = QualitySettings {
    grey: 0.06,
    contrast: 0.035,
    sharpness: 0.01,
};

/// A face as it looked in the last frame; its memory is used again.
#[derive(Debug, Clone)]
pub(crate) struct FaceQuality {
    values: Vec<f32>,
}

impl FaceQuality {
    pub(crate) fn new() -> Self {
        Self {
            values: vec![0.0; SIDE * SIDE],
        }
    }

    /// Measures a face; gives why it cannot be judged, if it cannot.
    pub(crate) fn at(&mut self, picture: GrayView<'_>, face: &Rect) -> Option<RejectReason> {
        skim(picture, face, SIDE, &mut self.values);
        let (mean, variance) = moments(&self.values);
        if mean < SETTINGS.grey {
            Some(RejectReason::Dark)
        } else if variance.sqrt() < SETTINGS.contrast {
            Some(RejectReason::LowContrast)
        } else if laplacian(&self.values) / variance < SETTINGS.sharpness {
            Some(RejectReason::Blurred)
        } else {
            None
        }
    }
}

/// [`sample`] for what is only compared: of a large face some rows are left out.
pub(super) fn skim(picture: GrayView<'_>, rect: &Rect, side: usize, out: &mut [f32]) {
    let rows = (rect.h / (ROWS * side as f32)).max(1.0).floor();
    let skimmed = Rect {
        // The middle of row 0 stays where it is.
        y: (rect.y - 0.5) / rows + 0.5,
        h: rect.h / rows,
        ..*rect
    };
    sample(picture.every(rows as usize), &skimmed, side, out);
}

fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count)
}

/// Variance of the Laplacian (4 times a pixel less its four neighbours) over the inner pixels; its mean
/// is next to 0 and left out.
fn laplacian(values: &[f32]) -> f32 {
    let mut sum = 0.0;
    for y in 1..SIDE - 1 {
        let row = |y: usize| &values[y * SIDE..(y + 1) * SIDE];
        let (above, here, below) = (row(y - 1), row(y), row(y + 1));
        for x in 1..SIDE - 1 {
            sum += (4.0 * here[x] - here[x - 1] - here[x + 1] - above[x] - below[x]).powi(2);
        }
    }
    sum / (SIDE - 2).pow(2) as f32
}

/// Pearson's correlation, -1 to 1; 0 where one side is flat.
pub(super) fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let ((mean_a, var_a), (mean_b, var_b)) = (moments(a), moments(b));
    let together: f32 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
    let scale = (var_a * var_b).sqrt() * a.len() as f32;
    if scale > 0.0 { together / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rect = Rect {
        x: 0.0,
        y: 0.0,
        w: 96.0,
        h: 96.0,
    };

    /// Something with edges: stripes of this width, between two greys.
    fn stripes(width: usize, dark: u8, bright: u8) -> Vec<u8> {
        (0..96 * 96)
            .map(|at| {
                if (at % 96 / width).is_multiple_of(2) {
                    dark
                } else {
                    bright
                }
            })
            .collect()
    }

    fn looked(pixels: &[u8]) -> Option<RejectReason> {
        FaceQuality::new().at(GrayView::new(pixels, 96, 96).unwrap(), &WHOLE)
    }

    #[test]
    fn of_large_faces_rows_are_left_out_and_they_look_the_same() {
        let side = 900;
        let value = |at: usize| 128.0 + 90.0 * ((at % side) as f32 / 31.0).sin() * ((at / side) as f32 / 23.0).cos();
        let pixels: Vec<u8> = (0..side * side).map(|at| value(at) as u8).collect();
        let picture = GrayView::new(&pixels, side, side).unwrap();
        let look = |sampled: fn(GrayView<'_>, &Rect, usize, &mut [f32]), w: f32| {
            let mut values = vec![0.0; SIDE * SIDE];
            let face = Rect {
                x: 13.4,
                y: 21.7,
                w,
                h: w,
            };
            sampled(picture, &face, SIDE, &mut values);
            values
        };
        let off = |w: f32| {
            let (all, some) = (look(sample, w), look(skim, w));
            all.iter().zip(&some).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert_eq!(off(2.0 * ROWS * SIDE as f32 - 1.0), 0.0, "every row counts");
        for w in [2.0 * ROWS * SIDE as f32, 500.0, 870.0] {
            let off = off(w);
            assert!(off > 0.0 && off < 0.02, "{w} pixels: {off}");
        }
    }

    #[test]
    fn dark_flat_and_blurred_faces_are_withheld() {
        let smooth: Vec<u8> = (0..96 * 96)
            .map(|at| (128.0 + 100.0 * ((at % 96) as f32 / 96.0 * std::f32::consts::TAU).sin()) as u8)
            .collect();
        for (pixels, expected) in [
            (stripes(12, 60, 190), None),
            (stripes(12, 0, 20), Some(RejectReason::Dark)),
            (stripes(12, 120, 130), Some(RejectReason::LowContrast)),
            (vec![0; 96 * 96], Some(RejectReason::Dark)),
            (vec![200; 96 * 96], Some(RejectReason::LowContrast)),
            (smooth, Some(RejectReason::Blurred)),
        ] {
            assert_eq!(looked(&pixels), expected);
        }
    }
}
