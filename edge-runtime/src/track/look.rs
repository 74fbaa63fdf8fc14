//! How a face looks, measured on a small square of it: whether it is bright, rich in contrast and sharp enough to be
//! judged.
//!
//! The limits lie below nearly all detected faces of the project's photographs and films: 1 % of those have
//! a deviation below 0.047 or a sharpness below 0.014; blurred by a Gaussian of 6 % of the face's side all
//! lie below 0.02, and half below 0.005.

use shared_model::image::{GrayView, Rect, sample};
use shared_model::message::Withheld;

/// Side of the square in pixels.
const SIDE: usize = 48;

/// Mean grey, of 1, below which a face is too dark.
const DARK: f32 = 0.06;

/// Standard deviation of the grey values, of 1, below which light and shade hardly differ.
const FLAT: f32 = 0.035;

/// Variance of the Laplacian over the variance of the grey values below which a face is blurred.
const BLURRED: f32 = 0.01;

/// A face as it looked in the last frame; its memory is used again.
#[derive(Debug, Clone)]
pub(super) struct Look {
    values: Vec<f32>,
}

impl Look {
    pub(super) fn new() -> Self {
        Self {
            values: vec![0.0; SIDE * SIDE],
        }
    }

    /// Looks at a face; gives why it cannot be judged, if it cannot.
    pub(super) fn at(&mut self, picture: GrayView<'_>, face: &Rect) -> Option<Withheld> {
        sample(picture, face, SIDE, &mut self.values);
        let (mean, variance) = moments(&self.values);
        if mean < DARK {
            Some(Withheld::Dark)
        } else if variance.sqrt() < FLAT {
            Some(Withheld::LowContrast)
        } else if laplacian(&self.values) / variance < BLURRED {
            Some(Withheld::Blurred)
        } else {
            None
        }
    }
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

    fn looked(pixels: &[u8]) -> Option<Withheld> {
        Look::new().at(GrayView::new(pixels, 96, 96).unwrap(), &WHOLE)
    }

    #[test]
    fn dark_flat_and_blurred_faces_are_withheld() {
        let smooth: Vec<u8> = (0..96 * 96)
            .map(|at| (128.0 + 100.0 * ((at % 96) as f32 / 96.0 * std::f32::consts::TAU).sin()) as u8)
            .collect();
        for (pixels, expected) in [
            (stripes(12, 60, 190), None),
            (stripes(12, 0, 20), Some(Withheld::Dark)),
            (stripes(12, 120, 130), Some(Withheld::LowContrast)),
            (vec![0; 96 * 96], Some(Withheld::Dark)),
            (vec![200; 96 * 96], Some(Withheld::LowContrast)),
            (smooth, Some(Withheld::Blurred)),
        ] {
            assert_eq!(looked(&pixels), expected);
        }
    }
}
