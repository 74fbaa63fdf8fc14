//! From the detector's output maps to faces: boxes, scores, five points, and suppression of doubles.
//!
//! Keeps no state, and takes any numbers: a damaged map costs bounded time and never a panic. Runtime and trainer decode
//! with this code, so that figures are those of the device.
//!
//! Terms:
//! - *head*: one output map of the network, with one pixel for each `stride` pixels of the input;
//! - *grid*: the cells of one size that a head predicts on. A head may have several: its own cells, and each cell divided
//!   into 2 x 2 smaller ones for small faces;
//! - *cell*: one prediction of [`FIELDS`] numbers, whose meaning is that of [`CELL_NUMBERS`].

use shared_model::manifest::{CELL_NUMBERS, CELL_POINTS, Detector};

/// Numbers of one prediction: score, box and points.
pub const FIELDS: usize = CELL_NUMBERS;
/// Points of a face: eye, eye, nose, mouth corner, mouth corner, from left to right in an upright picture.
pub const POINTS: usize = CELL_POINTS;
/// Largest magnitude of the logarithm of a size: 150 times two strides.
const LARGEST_LOG: f32 = 5.0;

/// The cells of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Index of the output map.
    pub head: usize,
    /// First channel of the grid in that map.
    pub first: usize,
    /// Cells along each side of one pixel of the map.
    pub split: usize,
    /// Side of a cell in pixels of the input.
    pub stride: f32,
}

impl Grid {
    /// All grids of a network, the finest first.
    pub fn of(detector: &Detector) -> Vec<Self> {
        let mut grids = Vec::new();
        for (head, map) in detector.outputs.iter().enumerate() {
            let mut first = 0;
            for split in map.grids.iter().map(|split| *split as usize) {
                grids.push(Self {
                    head,
                    first,
                    split,
                    stride: map.stride as f32 / split as f32,
                });
                first += FIELDS * split * split;
            }
        }
        grids.sort_by(|a, b| a.stride.total_cmp(&b.stride));
        grids
    }
}

/// One output map, in any layout.
#[derive(Debug, Clone, Copy)]
pub struct Map<'a> {
    /// The numbers of all channels, finite or not.
    pub values: &'a [f32],
    /// Pixels of the map in a row.
    pub columns: usize,
    /// Height of the map: its number of rows.
    pub rows: usize,
    /// From one pixel to the next: 1 where channels are planes, the number of channels where they come last.
    pub pixel_step: usize,
    /// From one channel to the next.
    pub channel_step: usize,
}

impl Map<'_> {
    /// A number; NaN where the map is too short, so that it counts as damaged.
    fn at(&self, pixel: usize, channel: usize) -> f32 {
        let index = pixel * self.pixel_step + channel * self.channel_step;
        self.values.get(index).copied().unwrap_or(f32::NAN)
    }
}

/// A face as the network gives it, in pixels of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Probability that this is a face, 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom; inside the input.
    pub bounds: [f32; 4],
    /// x and y of each point; may lie outside the input.
    pub points: [[f32; 2]; POINTS],
}

/// What is taken for a face, and how much is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Lowest score, above 0 and below 1.
    pub score: f32,
    /// Boxes that overlap a better one by more (intersection over union) are doubles of it.
    pub overlap: f32,
    /// Cells that suppression looks at; the best ones. Its time grows with the square.
    pub candidates: usize,
    /// The most faces that are given.
    pub faces: usize,
}

impl Limits {
    /// What a manifest says of a network, the rest as by default.
    pub fn of(detector: &Detector) -> Self {
        Self {
            score: detector.score,
            overlap: detector.overlap,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            score: 0.5,
            overlap: 0.4,
            candidates: 400,
            faces: 100,
        }
    }
}

/// How much of a prediction was left out, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Cells with a number that is not finite, or boxes without an area inside the input.
    pub damaged: usize,
    /// Cells above the score, beyond [`Limits::candidates`].
    pub crowded: usize,
}

/// The prediction of one cell around its centre `(x, y)`, unbounded; `fields` as the network gives them.
pub fn cell(fields: &[f32; FIELDS], x: f32, y: f32, stride: f32) -> Detection {
    let [score, dx, dy, log_width, log_height, points @ ..] = *fields;
    let (centre_x, centre_y) = (x + dx * stride, y + dy * stride);
    let half = |log: f32| stride * log.clamp(-LARGEST_LOG, LARGEST_LOG).exp();
    let (half_width, half_height) = (half(log_width), half(log_height));
    let mut placed = [[0.0; 2]; POINTS];
    for (point, offset) in placed.iter_mut().zip(points.as_chunks::<2>().0) {
        *point = [x + offset[0] * stride, y + offset[1] * stride];
    }
    Detection {
        score: 1.0 / (1.0 + (-score).exp()),
        bounds: [
            centre_x - half_width,
            centre_y - half_height,
            centre_x + half_width,
            centre_y + half_height,
        ],
        points: placed,
    }
}

/// Faces in `found`, the best first, from the maps of one input of `width` x `height` pixels.
///
/// Takes time in proportion to the cells, and to the square of [`Limits::candidates`].
pub fn decode(
    maps: &[Map<'_>],
    grids: &[Grid],
    size: [usize; 2],
    limits: &Limits,
    found: &mut Vec<Detection>,
) -> Dropped {
    found.clear();
    let mut dropped = Dropped::default();
    for grid in grids {
        match maps.get(grid.head) {
            Some(map) => collect(map, grid, size, limits, found, &mut dropped),
            None => dropped.damaged += 1,
        }
    }
    let best_first = |a: &Detection, b: &Detection| b.score.total_cmp(&a.score);
    if found.len() > limits.candidates {
        dropped.crowded = found.len() - limits.candidates;
        if limits.candidates > 0 {
            found.select_nth_unstable_by(limits.candidates - 1, best_first);
        }
        found.truncate(limits.candidates);
    }
    found.sort_by(best_first);
    suppress(found, limits);
    dropped
}

/// Cells of one grid above the score.
fn collect(
    map: &Map<'_>,
    grid: &Grid,
    size: [usize; 2],
    limits: &Limits,
    found: &mut Vec<Detection>,
    dropped: &mut Dropped,
) {
    // Not `clamp`: a limit that is NaN becomes the lowest.
    #[allow(clippy::manual_clamp)]
    let least = limits.score.max(f32::MIN_POSITIVE).min(1.0 - f32::EPSILON);
    let threshold = (least / (1.0 - least)).ln();
    for pixel in 0..map.columns * map.rows {
        for part in 0..grid.split * grid.split {
            let first = grid.first + part * FIELDS;
            let score = map.at(pixel, first);
            // Not `score < threshold`: NaN is to be counted.
            if score <= threshold {
                continue;
            }
            let fields = std::array::from_fn(|field| map.at(pixel, first + field));
            let (x, y) = (pixel % map.columns * grid.split, pixel / map.columns * grid.split);
            let (x, y) = (x + part % grid.split, y + part / grid.split);
            let face = cell(
                &fields,
                (x as f32 + 0.5) * grid.stride,
                (y as f32 + 0.5) * grid.stride,
                grid.stride,
            );
            match bounded(face, size) {
                Some(face) if fields.iter().all(|value| value.is_finite()) => found.push(face),
                _ => dropped.damaged += 1,
            }
        }
    }
}

/// The part inside the input; none where nothing finite is left.
fn bounded(mut face: Detection, [width, height]: [usize; 2]) -> Option<Detection> {
    let [left, top, right, bottom] = face.bounds;
    let (width, height) = (width as f32, height as f32);
    face.bounds = [
        left.clamp(0.0, width),
        top.clamp(0.0, height),
        right.clamp(0.0, width),
        bottom.clamp(0.0, height),
    ];
    let finite = face
        .points
        .iter()
        .flatten()
        .chain(&face.bounds)
        .all(|value| value.is_finite());
    (finite && area(&face.bounds) > 0.0).then_some(face)
}

/// Removes what overlaps something better; `found` is sorted, the best first.
fn suppress(found: &mut Vec<Detection>, limits: &Limits) {
    let mut kept = 0;
    for at in 0..found.len() {
        if kept == limits.faces {
            break;
        }
        let face = found[at];
        if found[..kept]
            .iter()
            .all(|better| overlap(&better.bounds, &face.bounds) <= limits.overlap)
        {
            found[kept] = face;
            kept += 1;
        }
    }
    found.truncate(kept);
}

fn area([left, top, right, bottom]: &[f32; 4]) -> f32 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

/// Intersection over union of two boxes given as left, top, right, bottom; 0 to 1.
pub fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let both = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / (area(a) + area(b) - both).max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests;
