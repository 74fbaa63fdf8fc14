//! Photos with their faces, in memory.

use inference::picture::{Picture, PictureError};

/// Longest side of a photo; larger ones are reduced when they are read.
pub const LONGEST: usize = 480;
/// Shortest side of a level of the pyramid.
const SHORTEST: usize = 4;
/// Least longer and shorter side in pixels of a part of a photo that is looked at by itself.
const PART: [usize; 2] = [160, 75];

/// What an annotation says about its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A face.
    Face,
    /// Perhaps a face: takes no part in training and counts neither way in figures.
    Ignore,
}

/// Distance of the tip of the nose from the plane of the eyes, over that of the eyes from one another: 4.01 and 6.30 cm in the
/// canonical face model of `MediaPipe`, its eyes half-way between their corners.
const NOSE_DEPTH: f32 = 0.636;

/// One annotated box of a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Whether the box is a face, or takes no part.
    pub kind: Kind,
    /// Left, top, right, bottom in pixels of the photo; may reach over its border.
    pub bounds: [f32; 4],
    /// Eye, eye, nose, mouth corner, mouth corner.
    pub points: Option<[[f32; 2]; 5]>,
}

impl Face {
    /// Root of the area, in pixels.
    pub fn size(&self) -> f32 {
        crate::detector::geometry::area(self.bounds).sqrt()
    }

    /// How far it looks to either side, in degrees from 0 to 90, by how far the nose lies off the middle of the eyes; none
    /// without points, or where both eyes have one. An estimate: noses differ.
    pub fn yaw(&self) -> Option<f32> {
        let [[left_x, left_y], [right_x, right_y], [nose_x, nose_y], ..] = self.points?;
        let eyes = [right_x - left_x, right_y - left_y];
        let nose = [
            nose_x - f32::midpoint(left_x, right_x),
            nose_y - f32::midpoint(left_y, right_y),
        ];
        let apart = eyes[0].mul_add(eyes[0], eyes[1] * eyes[1]);
        let along = eyes[0].mul_add(nose[0], eyes[1] * nose[1]);
        (apart > 0.0).then(|| (along.abs() / NOSE_DEPTH).atan2(apart).to_degrees())
    }
}

/// Grey pixels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gray {
    /// Width in pixels: how many make a row.
    pub width: usize,
    /// Height in pixels: how many rows there are.
    pub height: usize,
    /// `width * height` grey values, from 0 to 255.
    pub pixels: Vec<u8>,
}

/// A picture of the data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Name in the data set.
    pub name: String,
    /// Name of the source that it comes from.
    pub source: String,
    /// Whether it is measured on instead of trained on.
    pub held: bool,
    /// How many pixels of the photo make one of the file that it was read from: 1, or less where it was reduced.
    pub scale: f32,
    /// Annotated boxes; a photo without any shows no face.
    pub faces: Vec<Face>,
    /// The photo, and halves of it down to a few pixels.
    pub pyramid: Vec<Gray>,
}

impl Photo {
    /// The photo at its own size.
    pub fn gray(&self) -> &Gray {
        &self.pyramid[0]
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.gray().width, self.gray().height]
    }

    /// Whether nothing in it is, or may be, a face.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }

    /// What of it shows no face: all, or the largest part to one side of all its boxes, half a face away from them;
    /// none where that is too small.
    pub fn beside_faces(&self) -> Option<Self> {
        if self.is_empty() {
            return Some(self.clone());
        }
        let [width, height] = self.size();
        let mut taken = [width as f32, height as f32, 0.0, 0.0];
        for face in &self.faces {
            let [left, top, right, bottom] = face.bounds;
            let away = (right - left).max(bottom - top) / 2.0;
            let [from_x, from_y, to_x, to_y] = taken;
            taken = [
                from_x.min(left - away),
                from_y.min(top - away),
                to_x.max(right + away),
                to_y.max(bottom + away),
            ];
        }
        let inside = |place: f32, length: usize| place.clamp(0.0, length as f32) as usize;
        let [left, right] = [taken[0], taken[2]].map(|place| inside(place, width));
        let [top, bottom] = [taken[1], taken[3]].map(|place| inside(place, height));
        // Left, top, width and height of the part to the left of all boxes, to the right, above and below.
        let parts = [
            [0, 0, left, height],
            [right, 0, width - right, height],
            [0, 0, width, top],
            [0, bottom, width, height - bottom],
        ];
        let part = parts.into_iter().max_by_key(|[.., columns, rows]| columns * rows)?;
        let [.., columns, rows] = part;
        let fits = columns.max(rows) >= PART[0] && columns.min(rows) >= PART[1];
        fits.then(|| Self {
            name: self.name.clone(),
            source: self.source.clone(),
            held: self.held,
            scale: self.scale,
            faces: Vec::new(),
            pyramid: self.gray().part(part).pyramid(),
        })
    }
}

impl Gray {
    /// Decodes a file and reduces it to [`LONGEST`]; also gives by how much it was reduced.
    pub fn decode(bytes: &[u8]) -> Result<(Self, f32), PictureError> {
        let picture = Picture::decode(bytes)?;
        let view = picture.gray()?;
        let (width, height) = (view.width(), view.height());
        let pixels = (0..height).flat_map(|y| view.row(y)).copied().collect();
        let gray = Self { width, height, pixels };
        let longest = width.max(height);
        if longest <= LONGEST {
            return Ok((gray, 1.0));
        }
        let scale = LONGEST as f32 / longest as f32;
        let side = |side: usize| ((side as f32 * scale).round() as usize).max(1);
        Ok((gray.reduced(side(width), side(height)), scale))
    }

    /// The part that begins at a column and a row and has this width and height, all inside.
    fn part(&self, [x, y, width, height]: [usize; 4]) -> Self {
        let rows = self.pixels.chunks_exact(self.width).skip(y).take(height);
        Self {
            width,
            height,
            pixels: rows.flat_map(|row| &row[x..x + width]).copied().collect(),
        }
    }

    /// Resized to a size that is not larger, each pixel the mean of what it covers.
    #[must_use]
    pub fn reduced(&self, width: usize, height: usize) -> Self {
        let across = spans(self.width, width);
        let down = spans(self.height, height);
        let mut lines = vec![0.0f32; self.height * width];
        for (line, row) in lines.chunks_exact_mut(width).zip(self.pixels.chunks_exact(self.width)) {
            for (value, span) in line.iter_mut().zip(&across) {
                *value = span.iter().map(|(at, share)| share * f32::from(row[*at])).sum();
            }
        }
        let mut pixels = Vec::with_capacity(width * height);
        for span in &down {
            for x in 0..width {
                let mean: f32 = span.iter().map(|(at, share)| share * lines[at * width + x]).sum();
                pixels.push((mean + 0.5) as u8);
            }
        }
        Self { width, height, pixels }
    }

    /// This picture and its halves.
    pub fn pyramid(self) -> Vec<Self> {
        let mut levels = vec![self];
        while let Some(last) = levels.last()
            && last.width.min(last.height) >= 2 * SHORTEST
        {
            levels.push(last.reduced(last.width / 2, last.height / 2));
        }
        levels
    }

    /// Bilinear value at a place, whole numbers at pixel corners; `None` outside.
    pub(crate) fn at(&self, x: f32, y: f32) -> Option<f32> {
        if !(x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32) {
            return None;
        }
        let (x, y) = ((x - 0.5).max(0.0), (y - 0.5).max(0.0));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (fx, fy) = (x - left as f32, y - top as f32);
        let pixel = |x: usize, y: usize| f32::from(self.pixels[y * self.width + x]);
        let upper = pixel(left, top) + fx * (pixel(right, top) - pixel(left, top));
        let lower = pixel(left, bottom) + fx * (pixel(right, bottom) - pixel(left, bottom));
        Some(upper + fy * (lower - upper))
    }
}

/// For each of `to` pixels the ones of `from` it covers, with their shares.
fn spans(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    let ratio = from as f32 / to as f32;
    let span = |at: usize| {
        let (start, end) = (at as f32 * ratio, ((at + 1) as f32 * ratio).min(from as f32));
        let last = (end.ceil() as usize).min(from);
        let covered = start as usize..last.max(start as usize + 1).min(from);
        let share = |at: usize| ((at as f32 + 1.0).min(end) - (at as f32).max(start)).max(0.0) / (end - start);
        covered.map(|at| (at, share(at))).collect()
    };
    (0..to).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face that looks `yaw` degrees to its left, in a picture turned by `roll` degrees: a nose 4 in front of eyes 6.3 apart.
    fn turned(yaw: f32, roll: f32) -> Face {
        let head = [
            [-3.15, 0.0, 0.0],
            [3.15, 0.0, 0.0],
            [0.0, 4.0, 4.01],
            [-2.0, 7.0, 0.0],
            [2.0, 7.0, 0.0],
        ];
        let (sin, cos) = yaw.to_radians().sin_cos();
        let (across, down) = roll.to_radians().sin_cos();
        let seen = head.map(|[x, y, z]: [f32; 3]| {
            let x = x * cos + z * sin;
            [x * down - y * across + 50.0, x * across + y * down + 40.0]
        });
        Face {
            kind: Kind::Face,
            bounds: [40.0, 30.0, 60.0, 50.0],
            points: Some(seen),
        }
    }

    #[test]
    fn the_yaw_of_a_head_comes_out_whatever_its_roll() {
        for (yaw, roll) in [(0.0, 0.0), (30.0, 0.0), (-45.0, 20.0), (60.0, -30.0), (85.0, 0.0)] {
            let found = turned(yaw, roll).yaw().unwrap();
            assert!((found - yaw.abs()).abs() < 0.5, "{yaw}: {found}");
        }
    }

    #[test]
    fn without_two_eyes_the_yaw_is_not_known() {
        let one_eye = [[5.0, 5.0], [5.0, 5.0], [9.0, 9.0], [6.0, 12.0], [6.0, 12.0]];
        for points in [None, Some(one_eye)] {
            assert_eq!(
                Face {
                    points,
                    ..turned(0.0, 0.0)
                }
                .yaw(),
                None
            );
        }
    }
}
