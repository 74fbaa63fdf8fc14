//! How large the picture is that the detector sees.

use inference::InputSize;

/// How large a picture is reduced, in pixels of the reduced picture.
pub(super) struct SizeSettings {
    /// Side of the smallest face that is asked for, where nothing is configured. Faces are found from about 10 pixels on, and
    /// surely from here on.
    pub(super) smallest_face: f32,
    /// Least longer side where nothing is configured: a picture for large faces costs little.
    pub(super) least_longer: f32,
    /// Most, for the cost grows with the square.
    most_longer: f32,
    /// Shortest side of an input: a cell of the networks' coarsest map is as large.
    shortest: usize,
}

pub(super) const SETTINGS: SizeSettings = SizeSettings {
    smallest_face: 16.0,
    least_longer: 160.0,
    most_longer: 640.0,
    shortest: 32,
};

/// The size to which a picture of so many columns and rows is reduced; never larger than it is, and of its shape.
///
/// `longer_px` is the longer side in pixels; without it, the smallest face of `min_face_px` pixels of the picture decides.
pub(super) fn reduced(columns: usize, rows: usize, min_face_px: f32, longer_px: Option<u32>) -> InputSize {
    let SizeSettings {
        smallest_face,
        least_longer,
        most_longer,
        shortest,
    } = SETTINGS;
    let longer = columns.max(rows) as f32;
    let wanted = longer_px.map_or_else(
        || (longer * smallest_face / min_face_px).clamp(least_longer, most_longer),
        |px| px as f32,
    );
    let scale = (wanted / longer).min(1.0);
    let side = |length: usize| ((length as f32 * scale).round() as usize).max(shortest).min(length);
    InputSize::of(side(columns), side(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_face_decides_and_the_configuration_before_it() {
        for (columns, rows, min_px, told, expected) in [
            (640, 480, 80.0, None, (160, 120)),
            (640, 480, 40.0, None, (256, 192)),
            (1280, 720, 80.0, None, (256, 144)),
            (1920, 1080, 40.0, None, (640, 360)),
            (1920, 1080, 20.0, None, (640, 360)),
            (1080, 1920, 80.0, None, (216, 384)),
            (320, 180, 20.0, None, (256, 144)),
            (320, 180, 20.0, Some(900), (320, 180)),
            (640, 480, 80.0, Some(320), (320, 240)),
            (640, 40, 80.0, None, (160, 32)),
            (20, 10, 20.0, None, (20, 10)),
        ] {
            let size = reduced(columns, rows, min_px, told);
            assert_eq!(
                (size.columns, size.rows),
                expected,
                "{columns}x{rows} {min_px} {told:?}"
            );
        }
    }
}
