//! The predictions that went best and worst, as pictures.

use std::fmt::Write;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use shared_model::image::{GrayView, SIDE, sample};
use shared_model::keypoints::{COUNT, Keypoints};

use super::html::escape;

/// Side in pixels of the pictures.
const SHOWN: usize = 192;
const TRUTH: &str = "#00e676";
const PREDICTED: &str = "#ff4081";

/// A face with what is said of it.
pub(super) struct FacePicture {
    /// Of its file, without ending.
    pub(super) name: String,
    caption: String,
    png: Vec<u8>,
    /// Predicted points where there are any, true points, both in pixels of the crop, and which of the true ones are known.
    points: Option<(Option<Keypoints>, Keypoints, [bool; COUNT])>,
}

impl FacePicture {
    /// Enlarges a face; `caption` may be any text.
    pub(super) fn new(name: String, caption: String, face: GrayView<'_>) -> Result<Self> {
        Ok(Self {
            name,
            caption,
            png: png(face)?,
            points: None,
        })
    }

    /// With points drawn onto it.
    #[must_use]
    pub(super) fn with_points(self, predicted: Keypoints, truth: Keypoints, known: [bool; COUNT]) -> Self {
        Self {
            points: Some((Some(predicted), truth, known)),
            ..self
        }
    }

    /// With its own points drawn onto it, where they are known.
    #[must_use]
    pub(super) fn with_truth(self, truth: Keypoints, known: [bool; COUNT]) -> Self {
        Self {
            points: Some((None, truth, known)),
            ..self
        }
    }

    /// For the page.
    pub(super) fn html(&self) -> String {
        let caption = escape(&self.caption);
        let picture = match self.points {
            None => format!("<img alt=\"{caption}\" src=\"{}\">", self.data_uri()),
            Some(_) => self.svg(&format!("role=\"img\" aria-label=\"{caption}\"")),
        };
        format!("<figure>{picture}<figcaption>{caption}</figcaption></figure>\n")
    }

    /// Name and content of a file of its own.
    pub(super) fn file(&self) -> (String, Vec<u8>) {
        match self.points {
            None => (format!("{}.png", self.name), self.png.clone()),
            Some(_) => (
                format!("{}.svg", self.name),
                self.svg("xmlns=\"http://www.w3.org/2000/svg\"").into_bytes(),
            ),
        }
    }

    fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(&self.png))
    }

    /// The face with rings at true points, crosses at predicted ones, and lines between them.
    fn svg(&self, attributes: &str) -> String {
        let mut svg = format!(
            "<svg {attributes} viewBox=\"0 0 {SIDE} {SIDE}\" width=\"{SHOWN}\" height=\"{SHOWN}\">\
             <image href=\"{}\" width=\"{SIDE}\" height=\"{SIDE}\"/><g fill=\"none\" stroke-width=\"0.7\">",
            self.data_uri()
        );
        if let Some((predicted, truth, known)) = &self.points {
            for (at, (truth, known)) in truth.0.iter().zip(known).enumerate() {
                mark(&mut svg, predicted.map(|points| points.0[at]), known.then_some(*truth));
            }
        }
        svg + "</g></svg>"
    }
}

fn mark(svg: &mut String, predicted: Option<[f32; 2]>, truth: Option<[f32; 2]>) {
    // Writing to a string cannot fail.
    if let (Some([x, y]), Some([tx, ty])) = (predicted, truth) {
        let _ = write!(svg, "<path stroke=\"#ffd400\" d=\"M{tx:.1} {ty:.1}L{x:.1} {y:.1}\"/>");
    }
    if let Some([tx, ty]) = truth {
        let _ = write!(
            svg,
            "<circle stroke=\"{TRUTH}\" cx=\"{tx:.1}\" cy=\"{ty:.1}\" r=\"1.6\"/>"
        );
    }
    let Some([x, y]) = predicted else { return };
    let (left, right, top, low) = (x - 1.3, x + 1.3, y - 1.3, y + 1.3);
    let _ = write!(
        svg,
        "<path stroke=\"{PREDICTED}\" d=\"M{left:.1} {top:.1}L{right:.1} {low:.1}M{left:.1} {low:.1}L{right:.1} {top:.1}\"/>"
    );
}

/// A grey PNG file.
fn png(face: GrayView<'_>) -> Result<Vec<u8>> {
    let mut values = vec![0.0; SHOWN * SHOWN];
    sample(face, &face.bounds(), SHOWN, &mut values);
    let pixels: Vec<u8> = values.iter().map(|value| (value * 255.0).round() as u8).collect();
    let mut file = Vec::new();
    let side = SHOWN as u32;
    PngEncoder::new(&mut file)
        .write_image(&pixels, side, side, ExtendedColorType::L8)
        .context("write the picture of a face")?;
    Ok(file)
}

/// Places of the `count` smallest and of the `count` largest values, each from the extreme inwards; no
/// place is in both, and values that are no numbers are in neither.
pub(super) fn extremes(values: &[f64], count: usize) -> [Vec<usize>; 2] {
    let mut order: Vec<usize> = (0..values.len()).filter(|at| values[*at].is_finite()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let smallest = count.min(order.len().div_ceil(2));
    let largest = count.min(order.len() / 2);
    [
        order[..smallest].to_vec(),
        order.iter().rev().take(largest).copied().collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> Vec<u8> {
        (0..SIDE * SIDE).map(|at| (at % 256) as u8).collect()
    }

    #[test]
    fn extremes_come_from_the_outside_in_and_never_twice() {
        let values = [0.5, 0.1, f64::NAN, 0.9, 0.3];
        assert_eq!(extremes(&values, 1), [vec![1], vec![3]]);
        assert_eq!(extremes(&values, 9), [vec![1, 4], vec![3, 0]]);
        assert_eq!(extremes(&[0.2], 3), [vec![0], Vec::new()]);
        assert!(extremes(&[], 3).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_plain_face_is_a_png_inside_the_page() {
        let pixels = face();
        let view = GrayView::new(&pixels, SIDE, SIDE).unwrap();
        let picture = FacePicture::new("best-01".to_owned(), "\"Sad\" <1>".to_owned(), view).unwrap();
        let html = picture.html();
        assert!(
            html.contains("alt=\"&quot;Sad&quot; &lt;1&gt;\" src=\"data:image/png;base64,iVBOR"),
            "{html}"
        );
        let (name, file) = picture.file();
        assert_eq!((name.as_str(), &file[1..4]), ("best-01.png", &b"PNG"[..]));
        let decoded = image::load_from_memory(&file).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (SHOWN as u32, SHOWN as u32));
    }

    #[test]
    fn unknown_points_show_the_prediction_alone() {
        let pixels = face();
        let view = GrayView::new(&pixels, SIDE, SIDE).unwrap();
        let mut known = [true; COUNT];
        known[3] = false;
        let points = Keypoints([[10.0, 20.0]; COUNT]);
        let picture = FacePicture::new("worst-01".to_owned(), String::new(), view)
            .unwrap()
            .with_points(points, points, known);
        let svg = String::from_utf8(picture.file().1).unwrap();
        assert_eq!(
            (svg.matches(TRUTH).count(), svg.matches(PREDICTED).count()),
            (COUNT - 1, COUNT)
        );
        assert!(svg.contains("cx=\"10.0\" cy=\"20.0\""), "{svg}");
    }
}
