//! How bright a frame is.

use shared_model::image::GrayView;

/// Distance of the pixels that are read, in rows and columns: a frame of 640 x 480 takes 1200 of them.
const STEP: usize = 16;

/// Mean of the grey values, 0 to 1, of every [`STEP`]th pixel of every [`STEP`]th row.
pub(super) fn mean(frame: GrayView<'_>) -> f32 {
    let rows = (0..frame.height()).step_by(STEP);
    let pixels = rows.flat_map(|y| frame.row(y).iter().step_by(STEP));
    let (sum, count) = pixels.fold((0_u64, 0_u64), |(sum, count), value| {
        (sum + u64::from(*value), count + 1)
    });
    if count == 0 {
        return 0.0;
    }
    (sum as f64 / (count * 255) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_is_0_and_white_is_1_and_halves_are_between() {
        for (left, right, expected) in [(0, 0, 0.0), (255, 255, 1.0), (0, 255, 0.5)] {
            let pixels: Vec<u8> = (0..64 * 33).map(|at| if at % 64 < 32 { left } else { right }).collect();
            let mean = mean(GrayView::new(&pixels, 64, 33).unwrap());
            assert!((mean - expected).abs() < 1e-6, "{left} {right}: {mean}");
        }
    }
}
