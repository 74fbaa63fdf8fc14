//! What can be wrong with a data set of faces, where, and what helps.

use std::path::PathBuf;

use inference::picture::PictureError;

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A file cannot be opened or read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The annotations are of no known form.
    #[error(
        "read {}: annotations are a .csv or .csv.zst with the columns of faces.csv, WIDER's .txt, or a directory of \
         Pascal VOC .xml files",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// The archive is damaged or holds what cannot be unpacked here.
    #[error("read archive {}: {reason}; unpack it and name the directory instead", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A picture that the annotations name is not there.
    #[error("find picture '{name}' in {}: it is not there; its annotations must go, or the picture come", path.display())]
    Missing {
        /// As the annotations name it.
        name: String,
        /// Archive or directory.
        path: PathBuf,
    },
    /// A picture cannot be decoded.
    #[error("picture '{name}': {source}; replace the picture or take its annotations out")]
    Picture {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: PictureError,
    },
    /// A picture has another size than the annotations say.
    #[error(
        "picture '{name}' has {}x{} pixels, its annotations say {}x{}: boxes would lie wrong; scale them",
        found[0], found[1], said[0], said[1]
    )]
    Size {
        /// Its name.
        name: String,
        /// Width and height that the annotations say.
        said: [f32; 2],
        /// Width and height of the file.
        found: [f32; 2],
    },
    /// A row or an element is wrong.
    #[error("read {}, line {line}: {wrong}; mend or remove it", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        wrong: Wrong,
    },
    /// Nothing to use.
    #[error("read {}: no picture of the part that is wanted", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with an annotation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// A column or an element is missing.
    #[error("no '{0}'")]
    Lacks(&'static str),
    /// A number is none, or not finite.
    #[error("'{text}' is no number ({field})")]
    Number {
        /// Column or element.
        field: String,
        /// What stands there.
        text: String,
    },
    /// A box has no area, or lies outside its picture.
    #[error("box {0:?} (left, top, right, bottom) is empty or outside the picture")]
    Box([f32; 4]),
    /// A word is none of those that are known.
    #[error("{field} is '{text}', expected {expected}")]
    Word {
        /// Column or element.
        field: &'static str,
        /// What stands there.
        text: String,
        /// What would do.
        expected: &'static str,
    },
    /// Rows of one picture contradict each other.
    #[error("'{0}' has another source, split, size or kind than in a row before")]
    Contradiction(String),
    /// The file breaks off, or is not text of its form.
    #[error("{0}")]
    Broken(String),
}

/// A number of an annotation.
pub(super) fn number(field: &str, text: &str) -> Result<f32, Wrong> {
    let parsed = text.trim().parse::<f32>().ok().filter(|value| value.is_finite());
    parsed.ok_or_else(|| Wrong::Number {
        field: field.to_owned(),
        text: text.chars().take(40).collect(),
    })
}

/// Farthest from its picture that anything lies, in pixels: beyond it sums are no numbers any more.
const FARTHEST: f32 = 1e6;

/// A box that lies somewhere near its picture.
pub(super) fn near(bounds: [f32; 4]) -> Result<[f32; 4], Wrong> {
    if bounds.iter().all(|value| value.abs() <= FARTHEST) {
        Ok(bounds)
    } else {
        Err(Wrong::Box(bounds))
    }
}

/// A box with an area that touches its picture, whose size may be unknown.
pub(super) fn checked(bounds: [f32; 4], size: Option<[f32; 2]>) -> Result<[f32; 4], Wrong> {
    let [left, top, right, bottom] = near(bounds)?;
    let [width, height] = size.unwrap_or([f32::INFINITY; 2]);
    if right > left && bottom > top && right > 0.0 && bottom > 0.0 && left < width && top < height {
        Ok(bounds)
    } else {
        Err(Wrong::Box(bounds))
    }
}
