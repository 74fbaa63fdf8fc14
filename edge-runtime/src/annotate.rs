//! Draws what was found onto a copy of the picture: the box, the keypoints, and the emotion in words.

use font8x8::legacy::BASIC_LEGACY;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, Rgb, RgbImage};
use shared_model::image::Rect;
use shared_model::message::Face;

use inference::picture::Picture;

const BOX: Rgb<u8> = Rgb([255, 210, 0]);
const POINT: Rgb<u8> = Rgb([0, 230, 90]);
const OUTLINE: Rgb<u8> = Rgb([0, 0, 0]);
const TEXT: Rgb<u8> = Rgb([0, 0, 0]);

/// Side of a letter of the font in pixels.
const LETTER: i64 = 8;

/// A copy of a picture to draw on.
pub struct Annotation(RgbImage);

/// An area of whole pixels; may reach beyond the picture.
#[derive(Debug, Clone, Copy)]
struct Area {
    x: i64,
    y: i64,
    w: i64,
    h: i64,
}

impl Annotation {
    /// A copy in the picture's own colours.
    pub fn new(picture: &Picture) -> Self {
        Self(picture.to_rgb())
    }

    /// Draws one face. Lines, points and letters grow with it.
    pub fn draw(&mut self, face: &Face<'_>) {
        let side = face.bounds.w.max(face.bounds.h);
        let line = (side / 80.0).round().clamp(1.0, 64.0) as i64;
        self.frame(&face.bounds, line);
        let radius = (side / 60.0).round().clamp(1.0, 64.0) as i64;
        for [x, y] in face.keypoints.0 {
            self.dot(x, y, radius + 1, OUTLINE);
            self.dot(x, y, radius, POINT);
        }
        let words = words(face);
        if !words.is_empty() {
            self.label(&words, &face.bounds, line);
        }
    }

    /// The picture with what was drawn.
    pub fn image(&self) -> &RgbImage {
        &self.0
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    ///
    /// When the picture cannot be encoded, for example because it is too large.
    pub fn to_png(&self) -> Result<Vec<u8>, ImageError> {
        let mut file = Vec::new();
        let (width, height) = self.0.dimensions();
        PngEncoder::new(&mut file).write_image(self.0.as_raw(), width, height, ExtendedColorType::Rgb8)?;
        Ok(file)
    }

    fn frame(&mut self, bounds: &Rect, line: i64) {
        let area = Area::of(bounds);
        let Area { x, y, w, h } = area;
        self.fill(Area { h: line, ..area }, BOX);
        self.fill(
            Area {
                y: y + h - line,
                h: line,
                ..area
            },
            BOX,
        );
        self.fill(Area { w: line, ..area }, BOX);
        self.fill(
            Area {
                x: x + w - line,
                w: line,
                ..area
            },
            BOX,
        );
    }

    /// Words on a background above the box, or inside it where the picture has no room above.
    fn label(&mut self, text: &str, bounds: &Rect, line: i64) {
        let (width, height) = (i64::from(self.0.width()), i64::from(self.0.height()));
        let letters = text.len() as i64;
        // Letters of a tenth of the face, but no wider than the picture.
        let fitting = (width - 2 * line) / (letters * LETTER).max(1);
        let zoom = ((bounds.w / 10.0 / LETTER as f32).round() as i64).min(fitting).max(1);
        let area = Area::of(bounds);
        let (w, h) = (letters * LETTER * zoom + 2 * line, LETTER * zoom + 2 * line);
        let above = area.y - h;
        let x = area.x.min(width - w).max(0);
        let y = if above >= 0 {
            above
        } else {
            area.y.clamp(0, (height - h).max(0))
        };
        self.fill(Area { x, y, w, h }, BOX);
        for (at, letter) in text.bytes().enumerate() {
            self.letter(letter, x + line + at as i64 * LETTER * zoom, y + line, zoom);
        }
    }

    /// One letter; the lowest bit of each row of the font is its leftmost pixel.
    fn letter(&mut self, letter: u8, x: i64, y: i64, zoom: i64) {
        let rows = BASIC_LEGACY.get(usize::from(letter)).copied().unwrap_or_default();
        for (row, bits) in (0..).zip(rows) {
            for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                let area = Area {
                    x: x + column * zoom,
                    y: y + row * zoom,
                    w: zoom,
                    h: zoom,
                };
                self.fill(area, TEXT);
            }
        }
    }

    fn dot(&mut self, x: f32, y: f32, radius: i64, color: Rgb<u8>) {
        let (x, y) = (pixels(x - 0.5), pixels(y - 0.5));
        for dy in -radius..=radius {
            let half = ((radius * radius - dy * dy) as f32).sqrt() as i64;
            self.fill(
                Area {
                    x: x - half,
                    y: y + dy,
                    w: 2 * half + 1,
                    h: 1,
                },
                color,
            );
        }
    }

    /// Fills the part of an area that lies in the picture.
    fn fill(&mut self, area: Area, color: Rgb<u8>) {
        let columns = clip(area.x, area.w, self.0.width());
        for y in clip(area.y, area.h, self.0.height()) {
            for x in columns.clone() {
                self.0.put_pixel(x, y, color);
            }
        }
    }
}

/// Number, emotion or the reason why there is none.
fn words(face: &Face<'_>) -> String {
    let id = face.id.map(|id| format!("#{id} ")).unwrap_or_default();
    match (face.reject_reason, face.top()) {
        (Some(reject_reason), _) => format!("{id}{}", reject_reason.as_str()),
        (None, Some((label, score))) => format!("{id}{label} {:.0}%", score * 100.0),
        (None, None) => id,
    }
}

impl Area {
    fn of(rect: &Rect) -> Self {
        let [x, y, w, h] = [rect.x, rect.y, rect.w, rect.h].map(pixels);
        Self { x, y, w, h }
    }
}

/// Whole pixels; what lies far outside any picture stays where sums cannot overflow.
fn pixels(value: f32) -> i64 {
    value.round().clamp(-1e9, 1e9) as i64
}

/// The part of `from..from + length` that lies in `0..end`.
fn clip(from: i64, length: i64, end: u32) -> std::ops::Range<u32> {
    let inside = |value: i64| value.clamp(0, i64::from(end)) as u32;
    inside(from)..inside(from + length.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_model::emotion::{ClassSet, Scores};
    use shared_model::keypoints::{COUNT, Keypoints};

    fn face(classes: &ClassSet, bounds: Rect) -> Face<'_> {
        Face {
            bounds,
            id: None,
            reject_reason: None,
            classes,
            scores: Scores::from_logits(&[0.0, 0.0, 0.0, 5.0, 0.0], 1.0).unwrap(),
            keypoints: Keypoints([[bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0]; COUNT]),
        }
    }

    fn drawn(width: usize, height: usize, bounds: Rect) -> RgbImage {
        let classes = ClassSet::product();
        let picture = Picture::from_gray(vec![90; width * height], width, height).unwrap();
        let mut annotation = Annotation::new(&picture);
        annotation.draw(&face(&classes, bounds));
        annotation.0
    }

    /// Pixels of a colour in the rows `from..to`.
    fn count(image: &RgbImage, color: Rgb<u8>, from: u32, to: u32) -> usize {
        image
            .enumerate_pixels()
            .filter(|(_, y, pixel)| (from..to).contains(y) && **pixel == color)
            .count()
    }

    #[test]
    fn draws_box_points_and_words() {
        let image = drawn(
            200,
            200,
            Rect {
                x: 50.0,
                y: 60.0,
                w: 80.0,
                h: 80.0,
            },
        );
        assert_eq!(*image.get_pixel(50, 100), BOX);
        assert_eq!(*image.get_pixel(129, 100), BOX);
        assert_eq!(*image.get_pixel(90, 100), POINT);
        assert_eq!(*image.get_pixel(70, 100), Rgb([90; 3]));
        assert!(count(&image, TEXT, 0, 60) > 50, "words above the box");
        assert_eq!(*image.get_pixel(10, 190), Rgb([90; 3]));
    }

    #[test]
    fn words_grow_with_the_face() {
        let small = drawn(
            1000,
            1000,
            Rect {
                x: 300.0,
                y: 300.0,
                w: 80.0,
                h: 80.0,
            },
        );
        let large = drawn(
            1000,
            1000,
            Rect {
                x: 300.0,
                y: 300.0,
                w: 600.0,
                h: 600.0,
            },
        );
        assert!(count(&large, TEXT, 0, 300) > 20 * count(&small, TEXT, 0, 300));
    }

    #[test]
    fn words_stay_in_the_picture_where_the_box_touches_its_edge() {
        let image = drawn(
            200,
            200,
            Rect {
                x: 120.0,
                y: 2.0,
                w: 78.0,
                h: 78.0,
            },
        );
        assert!(count(&image, TEXT, 0, 80) > 50);
    }

    #[test]
    fn whatever_lies_outside_is_left_out() {
        for bounds in [
            Rect {
                x: -500.0,
                y: -500.0,
                w: 90.0,
                h: 90.0,
            },
            Rect {
                x: -1e30,
                y: 1e30,
                w: 1e30,
                h: 1e30,
            },
            Rect {
                x: 1.0,
                y: 1.0,
                w: 0.1,
                h: 0.1,
            },
        ] {
            drawn(3, 2, bounds);
        }
    }

    #[test]
    fn png_holds_the_colours_of_the_picture() {
        let mut ppm = b"P6 2 1 255\n".to_vec();
        ppm.extend([200, 10, 30, 1, 2, 3]);
        let png = Annotation::new(&Picture::decode(&ppm).unwrap()).to_png().unwrap();
        assert_eq!(
            Picture::decode(&png).unwrap().to_rgb().into_raw(),
            [200, 10, 30, 1, 2, 3]
        );
    }
}
