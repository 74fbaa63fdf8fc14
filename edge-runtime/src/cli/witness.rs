//! What faces a film really shows: by a file that says so, or by a search of every frame on its own, as of a still picture.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use inference::bundle::Bundle;
use inference::{PredictError, Predictor, Threads};
use serde::Deserialize;
use shared_model::image::{GrayView, Rect};
use vision::face::DetectorConfig;
use vision::locate::{Faces, Locator};

use super::failure::{Failure, code, io_code};

/// Tells which faces a frame shows.
pub(super) enum Witness {
    /// What finds faces in still pictures, with networks of its own: the tracker's are ready for another size.
    Stills(Box<(Locator, Predictor)>),
    /// A file: the faces of each frame, by its number.
    Truth(BTreeMap<u64, Vec<Rect>>),
}

/// A line of a file of truth.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    frame: u64,
    faces: Vec<Face>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Face {
    /// Left edge, upper edge, width and height in pixels of the frame.
    bounds: [f32; 4],
}

impl Witness {
    /// The file's word, or what the bundle finds where there is none: by its detector, else by the cascade.
    pub(super) fn new(truth: Option<&Path>, bundle: &Bundle, config: DetectorConfig) -> Result<Self, Failure> {
        if let Some(path) = truth {
            return read(path).map(Self::Truth);
        }
        let predictor = Predictor::load(bundle)?.with_threads(Threads::One);
        let locator = Locator::new(Faces::of_bundle(&predictor, config))?;
        Ok(Self::Stills(Box::new((locator, predictor))))
    }

    /// Whether a file says what is true.
    pub(super) fn knows(&self) -> bool {
        matches!(self, Self::Truth(_))
    }

    /// The faces of the frame with this number.
    pub(super) fn faces(&mut self, number: u64, picture: GrayView<'_>) -> Result<Vec<Rect>, PredictError> {
        Ok(match self {
            Self::Stills(stills) => {
                let (locator, predictor) = &mut **stills;
                let faces = locator.all(picture, predictor)?;
                faces.iter().map(|face| face.bounds).collect()
            }
            Self::Truth(frames) => frames.get(&number).cloned().unwrap_or_default(),
        })
    }
}

fn read(path: &Path) -> Result<BTreeMap<u64, Vec<Rect>>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        let code = io_code(&error);
        Failure::new(code, Told(format!("read {}: {error}", path.display())))
    })?;
    parse(&text).map_err(|(line, what)| {
        let form = "each line must be like {\"frame\": 0, \"faces\": [{\"bounds\": [12, 30, 40, 40]}]}";
        Failure::new(
            code::DATA,
            Told(format!("read {}, line {line}: {what}; {form}", path.display())),
        )
    })
}

/// The faces of each frame; or the number of a line, from 1, and what is wrong with it.
fn parse(text: &str) -> Result<BTreeMap<u64, Vec<Rect>>, (usize, String)> {
    let mut frames = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let Line { frame, faces } = serde_json::from_str(line).map_err(|error| (number, error.to_string()))?;
        let faces: Vec<Rect> = faces
            .iter()
            .map(|Face { bounds: [x, y, w, h] }| Rect {
                x: *x,
                y: *y,
                w: *w,
                h: *h,
            })
            .collect();
        if let Some(bad) = faces.iter().find(|face| !face.is_valid()) {
            return Err((number, format!("{bad:?} has no area")));
        }
        if frames.insert(frame, faces).is_some() {
            return Err((number, format!("frame {frame} comes twice")));
        }
    }
    Ok(frames)
}

/// A sentence as an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_truth_says_which_faces_a_frame_shows() {
        let text = "{\"frame\": 3, \"faces\": [{\"bounds\": [1, 2, 30, 40]}]}\n\n{\"frame\": 4, \"faces\": []}\n";
        let frames = parse(text).unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(
            frames[&3],
            [Rect {
                x: 1.0,
                y: 2.0,
                w: 30.0,
                h: 40.0
            }]
        );
        let mut witness = Witness::Truth(frames);
        let data = [0; 4];
        let picture = GrayView::new(&data, 2, 2).unwrap();
        assert_eq!(
            [3, 4, 5].map(|number| witness.faces(number, picture).unwrap().len()),
            [1, 0, 0]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, what) in [
            ("{\"frame\": 0, \"faces\": []}\nframe 1", 2, "expected"),
            (
                "{\"frame\": 0, \"faces\": [{\"bounds\": [1, 2, 3]}]}",
                1,
                "invalid length 3",
            ),
            ("{\"frame\": 0, \"faces\": [{\"bounds\": [1, 2, 0, 3]}]}", 1, "no area"),
            (
                "{\"frame\": 0, \"faces\": []}\n{\"frame\": 0, \"faces\": []}",
                2,
                "twice",
            ),
            ("{\"frame\": 0, \"faces\": [], \"x\": 1}", 1, "unknown field"),
        ] {
            let (at, told) = parse(text).unwrap_err();
            assert!(at == line && told.contains(what), "{text}: {at}: {told}");
        }
    }
}
