//! Sharpens still pictures that are out of focus: the detector was taught faces that are a little blurred, and is less sure of
//! those that are more.

use image::{GrayImage, imageops};
use shared_model::image::GrayView;

/// How a picture is told to be blurred, and sharpened.
struct SharpenSettings {
    /// Squared difference of pixels two apart, in those of neighbours, from which a picture is blurred. It is 1 where
    /// neighbours differ by chance, 2 to 3 in most pictures, and 4 where values change evenly. Hardly any of the held-out
    /// pictures reaches this, and hardly any does not when it is blurred with a radius of 2 pixels.
    blurred: f64,
    /// Radius of what is taken away, in pixels: the standard deviation of a Gaussian.
    radius: f32,
    /// How much of the difference to that is added (unsharp masking).
    amount: f32,
}

const SETTINGS: SharpenSettings = SharpenSettings {
    blurred: 3.6,
    radius: 2.0,
    amount: 2.0,
};

/// The pixels of a picture that is out of focus, sharpened; `None` where it is in focus.
pub(super) fn sharpened(picture: GrayView<'_>) -> Option<Vec<u8>> {
    if !is_blurred(picture) {
        return None;
    }
    let rows = (0..picture.height()).flat_map(|row| picture.row(row));
    let pixels: Vec<u8> = rows.copied().collect();
    let (width, height) = (
        u32::try_from(picture.width()).ok()?,
        u32::try_from(picture.height()).ok()?,
    );
    let sharp = GrayImage::from_raw(width, height, pixels)?;
    let soft = imageops::blur(&sharp, SETTINGS.radius);
    let stronger = |(sharp, soft): (&u8, &u8)| {
        let (sharp, soft) = (f32::from(*sharp), f32::from(*soft));
        (sharp + SETTINGS.amount * (sharp - soft) + 0.5).clamp(0.0, 255.0) as u8
    };
    Some(sharp.iter().zip(soft.iter()).map(stronger).collect())
}

/// Whether neighbours are so alike that the picture must be out of focus.
fn is_blurred(picture: GrayView<'_>) -> bool {
    let squared = |one: u8, other: u8| u64::from(one.abs_diff(other)).pow(2);
    let differences = |apart: usize| -> f64 {
        let across = |row: usize| {
            let row = picture.row(row);
            row.iter()
                .zip(row.iter().skip(apart))
                .map(|(one, other)| squared(*one, *other))
        };
        let down = |row: usize| {
            let pairs = picture.row(row).iter().zip(picture.row(row + apart));
            pairs.map(|(one, other)| squared(*one, *other))
        };
        let across: u64 = (0..picture.height()).flat_map(across).sum();
        let down: u64 = (0..picture.height().saturating_sub(apart)).flat_map(down).sum();
        (across + down) as f64
    };
    differences(2) > SETTINGS.blurred * differences(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 200;

    /// A checkerboard with fields of twelve pixels.
    fn board() -> Vec<u8> {
        let field = |at: usize| (at % SIDE / 12 + at / SIDE / 12) % 2;
        (0..SIDE * SIDE)
            .map(|at| if field(at) == 0 { 60 } else { 180 })
            .collect()
    }

    fn view(pixels: &[u8]) -> GrayView<'_> {
        GrayView::new(pixels, SIDE, SIDE).unwrap()
    }

    /// Mean difference of two pictures.
    fn difference(one: &[u8], other: &[u8]) -> f64 {
        let sum: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / one.len() as f64
    }

    #[test]
    fn a_blurred_picture_becomes_more_like_the_sharp_one_and_a_sharp_one_stays() {
        let sharp = board();
        assert!(sharpened(view(&sharp)).is_none());
        let image = GrayImage::from_raw(SIDE as u32, SIDE as u32, sharp.clone()).unwrap();
        let blurred = imageops::blur(&image, 2.0).into_raw();
        let again = sharpened(view(&blurred)).unwrap();
        let (before, after) = (difference(&blurred, &sharp), difference(&again, &sharp));
        assert!(after < 0.9 * before, "{after} of {before}");
    }

    #[test]
    fn noise_an_even_picture_and_a_tiny_one_are_not_blurred() {
        let noise: Vec<u8> = (0..SIDE * SIDE).map(|at| (at * 7919 % 251) as u8).collect();
        assert!(sharpened(view(&noise)).is_none());
        assert!(sharpened(view(&vec![90; SIDE * SIDE])).is_none());
        assert!(sharpened(GrayView::new(&[10, 200], 1, 2).unwrap()).is_none());
        assert!(sharpened(GrayView::new(&[7], 1, 1).unwrap()).is_none());
    }
}
