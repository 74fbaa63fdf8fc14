//! What the network should have said, and the gradient of the difference.
//!
//! A face is learned by the cells near its centre on every level whose sizes hold it. Score: binary cross entropy with
//! the weight `(y - p)^2`, where `y = 0.4 + 0.6 IoU` of the predicted box at those cells and 0 elsewhere. Box: GIoU, and
//! smooth L1 of the logarithms of its sides. Points: smooth L1 relative to the face's size.

use super::compose::{Sample, Target};
use super::engine::Plane;
use super::levels::{CHANNELS, LEVELS, Level};
use vision::detector::decode::{FIELDS, overlap};

/// Cells whose centre is nearer than this to the face's, in strides, in both directions, learn it.
const NEAR: f32 = 0.8;
const SCORE_WEIGHT: f32 = 3.0;
const BOX_WEIGHT: f32 = 1.0;
const SIZE_WEIGHT: f32 = 0.5;
const POINTS_WEIGHT: f32 = 0.3;
/// Where smooth L1 becomes straight.
const BEND: f32 = 0.1;
/// Logarithms of sizes are held within as in [`vision::detector::decode`].
const LARGEST_LOG: f32 = 5.0;

/// Loss summed over cells, by part, and how many cells learned a face.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Losses {
    pub(crate) score: f64,
    pub(crate) boxes: f64,
    pub(crate) points: f64,
    pub(crate) positives: usize,
}

impl Losses {
    pub(crate) fn total(&self) -> f64 {
        self.score + self.boxes + self.points
    }
}

/// Cells that learn a face, over all samples and levels; what losses and gradients are divided by.
pub(crate) fn positives(samples: &[Sample], planes: &[Plane]) -> usize {
    let count = |sample: &Sample, level: &Level| {
        let plane = planes[level.grid.head];
        (0..plane.pixels() * level.grid.split * level.grid.split)
            .filter(|at| nearest(sample, level, centre(level, plane, *at)).is_some())
            .count()
    };
    samples
        .iter()
        .flat_map(|sample| LEVELS.iter().map(move |level| count(sample, level)))
        .sum()
}

/// Loss and gradient of one head's map, `[images, pixels, channels]`, each divided by `share` cells.
pub(crate) fn head(
    head: usize,
    plane: Plane,
    samples: &[Sample],
    output: &[f32],
    gradient: &mut [f32],
    share: f32,
    losses: &mut Losses,
) {
    gradient.fill(0.0);
    let channels = CHANNELS[head];
    let image = plane.pixels() * channels;
    for level in LEVELS.iter().filter(|level| level.grid.head == head) {
        let maps = output.chunks_exact(image).zip(gradient.chunks_exact_mut(image));
        for (sample, (output, gradient)) in samples.iter().zip(maps) {
            let parts = level.grid.split * level.grid.split;
            for at in 0..plane.pixels() * parts {
                let first = at / parts * channels + level.grid.first + at % parts * FIELDS;
                let fields = &output[first..first + FIELDS];
                let place = centre(level, plane, at);
                cell(
                    level,
                    place,
                    sample,
                    fields,
                    &mut gradient[first..first + FIELDS],
                    share,
                    losses,
                );
            }
        }
    }
}

/// Centre of a cell in pixels of the input; `at` counts the parts of one pixel of the map one after the other.
fn centre(level: &Level, plane: Plane, at: usize) -> [f32; 2] {
    let (pixel, part) = (
        at / (level.grid.split * level.grid.split),
        at % (level.grid.split * level.grid.split),
    );
    let x = pixel % plane.columns * level.grid.split + part % level.grid.split;
    let y = pixel / plane.columns * level.grid.split + part / level.grid.split;
    [
        (x as f32 + 0.5) * level.grid.stride,
        (y as f32 + 0.5) * level.grid.stride,
    ]
}

/// The face that a cell learns: the one with the nearest centre.
fn nearest<'a>(sample: &'a Sample, level: &Level, [x, y]: [f32; 2]) -> Option<&'a Target> {
    let reach = NEAR * level.grid.stride;
    let distance = |face: &Target| {
        let [left, top, right, bottom] = face.bounds;
        (f32::midpoint(left, right) - x)
            .abs()
            .max((f32::midpoint(top, bottom) - y).abs())
    };
    let fits = |face: &&Target| {
        let size = face.size();
        !face.ignored && size >= level.sizes[0] && size < level.sizes[1] && distance(face) < reach
    };
    sample
        .faces
        .iter()
        .filter(fits)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Whether a cell takes no part: inside an ignored box, or in the middle of a face that another level learns.
fn left_out(sample: &Sample, [x, y]: [f32; 2]) -> bool {
    sample.faces.iter().any(|face| {
        let [left, top, right, bottom] = face.bounds;
        let share = if face.ignored { 0.55 } else { 0.2 };
        let (half_width, half_height) = ((right - left) * share, (bottom - top) * share);
        (f32::midpoint(left, right) - x).abs() < half_width && (f32::midpoint(top, bottom) - y).abs() < half_height
    })
}

fn cell(
    level: &Level,
    place: [f32; 2],
    sample: &Sample,
    fields: &[f32],
    gradient: &mut [f32],
    share: f32,
    losses: &mut Losses,
) {
    let Some(face) = nearest(sample, level, place) else {
        if !left_out(sample, place) {
            losses.score += f64::from(score(fields[0], 0.0, &mut gradient[0], share));
        }
        return;
    };
    losses.positives += 1;
    let quality = learn_box(level.grid.stride, place, face, fields, gradient, share, losses);
    losses.score += f64::from(score(fields[0], 0.4 + 0.6 * quality, &mut gradient[0], share));
    if let Some(points) = &face.points {
        let scale = level.grid.stride / face.size();
        let weight = POINTS_WEIGHT / share;
        for (at, wanted) in points.as_flattened().iter().enumerate() {
            let wanted = (wanted - place[at % 2]) / level.grid.stride;
            let (value, slope) = smooth((fields[5 + at] - wanted) * scale);
            losses.points += f64::from(weight * value);
            gradient[5 + at] += weight * slope * scale;
        }
    }
}

/// Loss of a score, and its gradient by the logit.
fn score(logit: f32, wanted: f32, gradient: &mut f32, share: f32) -> f32 {
    let p = 1.0 / (1.0 + (-logit).exp());
    // Of logits: ln(1 + e^x) - y x, without overflow.
    let entropy = logit.max(0.0) - wanted * logit + (-logit.abs()).exp().ln_1p();
    let gap = p - wanted;
    let weight = SCORE_WEIGHT / share;
    *gradient += weight * (gap * gap * gap + entropy * 2.0 * gap * p * (1.0 - p));
    weight * gap * gap * entropy
}

/// Adds loss and gradient of a box; gives its intersection over union.
fn learn_box(
    stride: f32,
    [x, y]: [f32; 2],
    face: &Target,
    fields: &[f32],
    gradient: &mut [f32],
    share: f32,
    losses: &mut Losses,
) -> f32 {
    let [dx, dy] = [fields[1], fields[2]];
    let logs = [fields[3], fields[4]].map(|log| log.clamp(-LARGEST_LOG, LARGEST_LOG));
    let half = logs.map(|log| stride * log.exp());
    let (cx, cy) = (x + dx * stride, y + dy * stride);
    let found = [cx - half[0], cy - half[1], cx + half[0], cy + half[1]];
    let (giou, slopes) = giou(&found, &face.bounds);
    let weight = BOX_WEIGHT / share;
    losses.boxes += f64::from(weight * (1.0 - giou));
    gradient[1] -= weight * (slopes[0] + slopes[2]) * stride;
    gradient[2] -= weight * (slopes[1] + slopes[3]) * stride;
    gradient[3] -= weight * (slopes[2] - slopes[0]) * half[0];
    gradient[4] -= weight * (slopes[3] - slopes[1]) * half[1];
    let [left, top, right, bottom] = face.bounds;
    for (side, wanted) in [right - left, bottom - top].into_iter().enumerate() {
        let (value, slope) = smooth(fields[3 + side] - (wanted / (2.0 * stride)).max(1e-3).ln());
        losses.boxes += f64::from(SIZE_WEIGHT / share * value);
        gradient[3 + side] += SIZE_WEIGHT / share * slope;
    }
    overlap(&found, &face.bounds)
}

/// Smooth L1 and its slope.
fn smooth(x: f32) -> (f32, f32) {
    if x.abs() < BEND {
        (x * x / (2.0 * BEND), x / BEND)
    } else {
        (x.abs() - BEND / 2.0, x.signum())
    }
}

/// Generalised intersection over union (Rezatofighi et al. 2019) of a box with the wanted one, and its slopes by left,
/// top, right and bottom of the first.
fn giou(a: &[f32; 4], b: &[f32; 4]) -> (f32, [f32; 4]) {
    let (wide, high) = (a[2] - a[0], a[3] - a[1]);
    let inner = [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
    let hull = [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])];
    let (iw, ih) = ((inner[2] - inner[0]).max(0.0), (inner[3] - inner[1]).max(0.0));
    let both = iw * ih;
    let (hw, hh) = (hull[2] - hull[0], hull[3] - hull[1]);
    let around = (hw * hh).max(1e-6);
    let union = (wide * high + (b[2] - b[0]) * (b[3] - b[1]) - both).max(1e-6);
    let area_slope = [-high, -wide, high, wide];
    let mut slopes = [0.0; 4];
    for side in 0..4 {
        let (along, sign) = (if side % 2 == 0 { ih } else { iw }, if side < 2 { -1.0 } else { 1.0 });
        let inside = if side < 2 {
            a[side] >= b[side]
        } else {
            a[side] <= b[side]
        };
        let both_slope = if inside && both > 0.0 { sign * along } else { 0.0 };
        let hull_along = if side % 2 == 0 { hh } else { hw };
        let hull_slope = if inside { 0.0 } else { sign * hull_along };
        let union_slope = area_slope[side] - both_slope;
        // giou = both / union - 1 + union / around
        slopes[side] = both_slope / union - both * union_slope / (union * union) + union_slope / around
            - union * hull_slope / (around * around);
    }
    (both / union - 1.0 + union / around, slopes)
}

#[cfg(test)]
mod tests;
