//! Drawing a photo, or a patch of one, into a sample.

use crate::detector::data::Photo;
use crate::detector::geometry::Affine;

/// Where a patch is opaque.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    /// Left, top, right, bottom in pixels of the photo.
    pub(super) bounds: [f32; 4],
    /// Width of the seam in pixels of the photo.
    pub(super) seam: f32,
}

impl Mask {
    /// 0 outside to 1 inside.
    fn opacity(&self, [x, y]: [f32; 2]) -> f32 {
        let [left, top, right, bottom] = self.bounds;
        let inside = (x - left).min(right - x).min(y - top).min(bottom - y);
        (inside / self.seam).clamp(0.0, 1.0)
    }
}

/// Draws what lies under the mask; without a mask all of the photo.
///
/// `map` leads from the photo to the sample. Reduced photos are read from the level of the pyramid that fits.
pub(super) fn draw(pixels: &mut [f32], width: usize, photo: &Photo, map: &Affine, mask: Option<&Mask>) {
    let height = pixels.len() / width;
    let [photo_width, photo_height] = photo.size().map(|side| side as f32);
    let level = (1.0 / map.scale())
        .log2()
        .round()
        .clamp(0.0, (photo.pyramid.len() - 1) as f32) as usize;
    let gray = &photo.pyramid[level];
    let shrink = [gray.width as f32 / photo_width, gray.height as f32 / photo_height];
    let bounds = mask.map_or([0.0, 0.0, photo_width, photo_height], |mask| mask.bounds);
    let back = map.inverse();
    let [columns, rows] = covered(map, bounds, width, height);
    for y in rows {
        for x in columns.clone() {
            let place = back.point([x as f32 + 0.5, y as f32 + 0.5]);
            let opacity = mask.map_or(1.0, |mask| mask.opacity(place));
            if opacity > 0.0
                && let Some(value) = gray.at(place[0] * shrink[0], place[1] * shrink[1])
            {
                let pixel = &mut pixels[y * width + x];
                *pixel += opacity * (value - *pixel);
            }
        }
    }
}

/// Columns and rows of the sample that a box of what `map` leads from reaches.
pub(super) fn covered(
    map: &Affine,
    [left, top, right, bottom]: [f32; 4],
    width: usize,
    height: usize,
) -> [std::ops::Range<usize>; 2] {
    let corners = [[left, top], [right, top], [left, bottom], [right, bottom]].map(|corner| map.point(corner));
    let span = |axis: usize, end: usize| {
        let least = corners.iter().map(|corner| corner[axis]).fold(f32::INFINITY, f32::min);
        let most = corners
            .iter()
            .map(|corner| corner[axis])
            .fold(f32::NEG_INFINITY, f32::max);
        let limit = |value: f32| value.clamp(0.0, end as f32) as usize;
        limit(least.floor())..limit(most.ceil())
    };
    [span(0, width), span(1, height)]
}
