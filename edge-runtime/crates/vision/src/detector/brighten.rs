//! Brightens still pictures that are dark: the detector is less sure of faces there, and takes more for faces that are none.

use shared_model::image::GrayView;

/// How a picture is told to be dark, and brightened.
struct BrightenSettings {
    /// Share of the pixels that are at most as bright as the picture's white.
    white_share: f64,
    /// White from which a picture stays as it is, in grey levels of 255.
    dark: f32,
    /// White of a dark picture afterwards.
    white: f32,
    /// Largest factor: in a black picture there is nothing but noise.
    largest_gain: f32,
}

const SETTINGS: BrightenSettings = BrightenSettings {
    white_share: 0.98,
    dark: 128.0,
    white: 240.0,
    largest_gain: 8.0,
};

/// The pixels of a dark picture, all multiplied by the same factor; `None` where it is bright enough.
pub(super) fn brightened(picture: GrayView<'_>) -> Option<Vec<u8>> {
    let white = f32::from(white(picture));
    if white >= SETTINGS.dark {
        return None;
    }
    let gain = (SETTINGS.white / white.max(1.0)).min(SETTINGS.largest_gain);
    let brighter: [u8; 256] = std::array::from_fn(|level| (level as f32 * gain + 0.5).min(255.0) as u8);
    let rows = (0..picture.height()).flat_map(|row| picture.row(row));
    Some(rows.map(|level| brighter[usize::from(*level)]).collect())
}

/// The level that nearly all pixels do not exceed.
fn white(picture: GrayView<'_>) -> u8 {
    let mut pixels = [0u64; 256];
    for level in (0..picture.height()).flat_map(|row| picture.row(row)) {
        pixels[usize::from(*level)] += 1;
    }
    let wanted = (SETTINGS.white_share * pixels.iter().sum::<u64>() as f64).ceil() as u64;
    let darker = pixels.iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    darker.take_while(|sum| *sum < wanted).count().min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 100;

    fn view(pixels: &[u8]) -> GrayView<'_> {
        GrayView::new(pixels, SIDE, SIDE).unwrap()
    }

    /// A ramp from black to this level.
    fn ramp(brightest: usize) -> Vec<u8> {
        (0..SIDE * SIDE)
            .map(|at| (at % SIDE * brightest / (SIDE - 1)) as u8)
            .collect()
    }

    #[test]
    fn a_dark_picture_is_brightened_evenly_and_a_bright_one_stays() {
        assert!(brightened(view(&ramp(200))).is_none());
        let dark = ramp(50);
        let bright = brightened(view(&dark)).unwrap();
        let white = bright[SIDE - 2];
        assert!((235..=245).contains(&white), "{white}");
        let gain = f32::from(white) / f32::from(dark[SIDE - 2]);
        for (dark, bright) in dark.iter().zip(&bright) {
            assert!(
                (f32::from(*bright) - gain * f32::from(*dark)).abs() < 2.0,
                "{dark} {bright}"
            );
        }
    }

    #[test]
    fn a_lamp_in_a_dark_room_does_not_count_and_stays_white() {
        let mut pixels = ramp(50);
        pixels[..150].fill(250);
        let bright = brightened(view(&pixels)).unwrap();
        assert_eq!(bright[0], 255);
        assert!(bright[2 * SIDE - 2] > 230);
        pixels[..250].fill(250);
        assert!(brightened(view(&pixels)).is_none());
    }

    #[test]
    fn a_black_picture_is_brightened_as_much_as_any_and_one_pixel_is_a_picture() {
        let black: Vec<u8> = (0..SIDE * SIDE).map(|at| (at % 3) as u8).collect();
        assert_eq!(brightened(view(&black)).unwrap()[..3], [0, 8, 16]);
        assert_eq!(brightened(view(&vec![0; SIDE * SIDE])).unwrap(), vec![0; SIDE * SIDE]);
        assert_eq!(brightened(GrayView::new(&[20], 1, 1).unwrap()), Some(vec![160]));
    }
}
