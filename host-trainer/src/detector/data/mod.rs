//! The data set: annotations in one of three forms, and the pictures they name.
//!
//! - the columns of the shared set, `faces.csv` or `faces.csv.zst` (`shared`);
//! - WIDER FACE's list, `wider_face_train_bbx_gt.txt` (`wider`);
//! - a directory of Pascal VOC files, one a picture (`voc`).

mod archive;
mod close;
mod error;
mod folder;
mod photo;
mod predictions;
mod shared;
#[cfg(test)]
mod tests;
mod voc;
mod wider;

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::data::KeypointData;
use crate::fingerprint::hex;
use archive::Archive;
pub use close::{CLOSE, close_faces, kept_back};
pub use error::{SetError, Wrong};
pub use folder::pictures;
pub use photo::{Face, Gray, Kind, LONGEST, Photo};
pub use predictions::{Predicted, Predictions};

/// Sources of the shared set that are measured on and never trained on, whatever the file says.
pub const HELD_SOURCES: [&str; 2] = ["wider", "caltech"];
/// One group in so many is held out where a form does not say.
const HELD_SHARE: u32 = 10;

/// What the annotations say about one picture.
#[derive(Debug, Clone, PartialEq)]
struct Annotated {
    source: String,
    held: bool,
    /// Width and height that the boxes refer to, where the form tells.
    size: Option<[f32; 2]>,
    faces: Vec<Face>,
}

/// Pictures by name.
type Annotations = BTreeMap<String, Annotated>;

/// A data set in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// In the order of their names.
    pub photos: Vec<Photo>,
    /// SHA-256 of names, annotations and pictures, in hexadecimal.
    pub fingerprint: String,
    /// The same of the [close faces](close_faces) among the photos, where there are any.
    pub close: Option<String>,
}

/// Which photos of a data set are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those to train on, and those of the same sources to measure on.
    Training,
    /// Those to train on alone.
    TrainedOn,
    /// Those to measure on, of all sources.
    HeldOut,
}

/// Photos of a part, by their annotations alone.
///
/// # Errors
/// As of [`Set::read`], where the annotations cannot be read.
pub fn count(faces: &Path, part: Part) -> Result<usize, SetError> {
    let annotations = annotations(faces)?;
    Ok(annotations.values().filter(|annotated| part.has(annotated)).count())
}

impl Part {
    fn has(self, annotated: &Annotated) -> bool {
        let known = HELD_SOURCES.contains(&annotated.source.as_str());
        match self {
            Self::Training => !known,
            Self::TrainedOn => !known && !annotated.held,
            Self::HeldOut => annotated.held || known,
        }
    }
}

impl Set {
    /// Reads annotations and pictures; `pictures` is an archive or a directory.
    pub fn read(pictures: &Path, faces: &Path, part: Part) -> Result<Self, SetError> {
        let annotations = annotations(faces)?;
        let mut archive = Archive::open(pictures)?;
        let mut photos = Vec::new();
        let mut hash = Sha256::new();
        for (name, annotated) in annotations {
            if !part.has(&annotated) {
                continue;
            }
            let known = HELD_SOURCES.contains(&annotated.source.as_str());
            let bytes = archive.read(&name)?;
            hash.update(name.as_bytes());
            hash.update(format!("{annotated:?}").as_bytes());
            hash.update(&bytes);
            photos.push(photo(name, annotated, &bytes, known)?);
        }
        if photos.is_empty() {
            return Err(SetError::Empty { path: faces.to_owned() });
        }
        let fingerprint = hex(&hash.finalize());
        Ok(Self {
            photos,
            fingerprint,
            close: None,
        })
    }

    /// Takes in the close faces of a keypoint set, and gives how many there are.
    pub fn add_close(&mut self, data: &KeypointData) -> usize {
        let photos = close_faces(data);
        let count = photos.len();
        self.photos.extend(photos);
        self.close = Some(hex(&data.fingerprint()));
        count
    }
}

/// SHA-256 over photos with their annotations, in hexadecimal: tells whether two figures are comparable.
pub fn fingerprint(photos: &[&Photo]) -> String {
    let mut hash = Sha256::new();
    for photo in photos {
        hash.update(format!("{} {:?} {:?}", photo.name, photo.size(), photo.faces).as_bytes());
        hash.update(&photo.gray().pixels);
    }
    hex(&hash.finalize())
}

fn annotations(path: &Path) -> Result<Annotations, SetError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if path.is_dir() {
        return voc::read(path);
    }
    // What packs the table says nothing about its form.
    let name = name.strip_suffix(".zst").map_or(name.as_str(), |packed| packed);
    match Path::new(name).extension().and_then(|end| end.to_str()) {
        Some("csv") => shared::read(path),
        Some("txt") => wider::read(path),
        _ => Err(SetError::Form { path: path.to_owned() }),
    }
}

/// Decodes a picture and scales its boxes to it.
fn photo(name: String, annotated: Annotated, bytes: &[u8], known: bool) -> Result<Photo, SetError> {
    let (gray, reduced) = match Gray::decode(bytes) {
        Ok(decoded) => decoded,
        Err(source) => return Err(SetError::Picture { name, source }),
    };
    let stored = [gray.width as f32 / reduced, gray.height as f32 / reduced];
    if let Some(size) = annotated.size
        && (0..2).any(|side| (size[side] - stored[side]).abs() > 1.0)
    {
        return Err(SetError::Size {
            name,
            said: size,
            found: stored,
        });
    }
    let scaled = |face: Face| Face {
        bounds: face.bounds.map(|value| value * reduced),
        points: face
            .points
            .map(|points| points.map(|point| point.map(|value| value * reduced))),
        ..face
    };
    let faces = annotated.faces.into_iter().map(scaled).collect();
    Ok(Photo {
        name,
        source: annotated.source,
        held: annotated.held || known,
        scale: reduced,
        faces,
        pyramid: gray.pyramid(),
    })
}

/// Whether a group is held out, where the form does not say: always the same groups.
fn held(source: &str, group: &str) -> bool {
    let digest = Sha256::digest(format!("{source}|{group}").as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).is_multiple_of(HELD_SHARE)
}
