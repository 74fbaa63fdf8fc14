//! What faces a film really shows: by a file that says so, or by the cascade, run over every frame on its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use shared_model::image::{GrayView, Rect};
use vision::face::{Detector, DetectorConfig};

use super::failure::{Failure, code, io_code};

/// Tells which faces a frame shows.
pub(super) enum Witness {
    /// The cascade of this program.
    Cascade(Box<Detector>),
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
    /// The file's word, or the cascade's where there is none.
    pub(super) fn new(truth: Option<&Path>, config: DetectorConfig) -> Result<Self, Failure> {
        match truth {
            Some(path) => read(path).map(Self::Truth),
            None => Ok(Self::Cascade(Box::new(Detector::new(config)?))),
        }
    }

    /// Whether a file says what is true.
    pub(super) fn knows(&self) -> bool {
        matches!(self, Self::Truth(_))
    }

    /// The faces of the frame with this number.
    pub(super) fn faces(&mut self, number: u64, picture: GrayView<'_>) -> Vec<Rect> {
        match self {
            Self::Cascade(detector) => detector.detect(picture).iter().map(|face| face.bounds).collect(),
            Self::Truth(frames) => frames.get(&number).cloned().unwrap_or_default(),
        }
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
        assert_eq!([3, 4, 5].map(|number| witness.faces(number, picture).len()), [1, 0, 0]);
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
