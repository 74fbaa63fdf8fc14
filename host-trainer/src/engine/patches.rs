//! Convolution windows laid out as rows (*im2col*), so that a convolution becomes a matrix product.

use super::SIDE;

/// Side of the stem's output.
pub(super) const STEM_SIDE: usize = SIDE / 2;
/// Values of a stem window: 7x7 pixels of one channel.
pub(super) const STEM_TAPS: usize = 49;
const STEM_KERNEL: usize = 7;
const STEM_PADDING: usize = 3;
const PADDED_SIDE: usize = SIDE + 2 * STEM_PADDING;
/// Values of an image with the stem's padding.
pub(super) const PADDED: usize = PADDED_SIDE * PADDED_SIDE;

/// Lays out the stem's windows of one image: `rows: [48 * 48, 49]`, `image: [96, 96]`.
///
/// `padded` holds the image with three zeros at each side; its border must be zero and stays so.
pub(super) fn stem_patches(rows: &mut [f32], padded: &mut [f32], image: &[f32]) {
    for (y, line) in image.chunks_exact(SIDE).enumerate() {
        let start = (y + STEM_PADDING) * PADDED_SIDE + STEM_PADDING;
        padded[start..start + SIDE].copy_from_slice(line);
    }
    for (pixel, row) in rows.chunks_exact_mut(STEM_TAPS).enumerate() {
        let corner = 2 * (pixel / STEM_SIDE) * PADDED_SIDE + 2 * (pixel % STEM_SIDE);
        for (tap_row, taps) in row.as_chunks_mut::<STEM_KERNEL>().0.iter_mut().enumerate() {
            let start = corner + tap_row * PADDED_SIDE;
            taps.copy_from_slice(&padded[start..start + STEM_KERNEL]);
        }
    }
}

/// Lays out the 3x3 windows (zeros outside) of a map of whole images: `rows: [pixels, 9, channels]`,
/// `map: [pixels, channels]`, images of `side` x `side`.
pub(super) fn patches(rows: &mut [f32], map: &[f32], side: usize, channels: usize) {
    let image = side * side * channels;
    for (rows, map) in rows.chunks_exact_mut(9 * image).zip(map.chunks_exact(image)) {
        for (pixel, row) in rows.chunks_exact_mut(9 * channels).enumerate() {
            window(row, map, side, channels, pixel);
        }
    }
}

fn window(row: &mut [f32], image: &[f32], side: usize, channels: usize, pixel: usize) {
    let (y, x) = (pixel / side, pixel % side);
    let (missing_left, missing_right) = (usize::from(x == 0), usize::from(x + 1 == side));
    for (tap_row, taps) in row.chunks_exact_mut(3 * channels).enumerate() {
        let line = y + tap_row;
        if line == 0 || line > side {
            taps.fill(0.0);
            continue;
        }
        let first = (line - 1) * side + x + missing_left - 1;
        let (left, rest) = taps.split_at_mut(missing_left * channels);
        let (inside, right) = rest.split_at_mut((3 - missing_left - missing_right) * channels);
        left.fill(0.0);
        inside.copy_from_slice(&image[first * channels..][..inside.len()]);
        right.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrounds_images_with_zeros() {
        let map: Vec<f32> = (1..=18u8).map(f32::from).collect();
        let mut rows = vec![9.0; 18 * 9];
        patches(&mut rows, &map, 3, 1);
        assert_eq!(rows[..9], [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0]);
        assert_eq!(rows[4 * 9..5 * 9], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        assert_eq!(rows[17 * 9..], [14.0, 15.0, 0.0, 17.0, 18.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn one_pixel_image_has_only_its_centre() {
        let mut rows = vec![9.0; 9];
        patches(&mut rows, &[5.0], 1, 1);
        assert_eq!(rows, [0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn stem_windows_step_by_two() {
        let mut image = vec![0.0; SIDE * SIDE];
        image[SIDE + 3] = 1.0;
        let (mut rows, mut padded) = (vec![0.0; STEM_SIDE * STEM_SIDE * STEM_TAPS], vec![0.0; PADDED]);
        stem_patches(&mut rows, &mut padded, &image);
        assert!((rows[4 * 7 + 6] - 1.0).abs() < f32::EPSILON);
        assert!((rows[STEM_TAPS + 4 * 7 + 4] - 1.0).abs() < f32::EPSILON);
    }
}
