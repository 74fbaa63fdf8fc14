//! What can be wrong with a data set, and which of its rows were passed over.

use std::fmt;
use std::path::PathBuf;

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file cannot be opened.
    #[error("open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file breaks off while it is read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the CSV reader says.
        source: csv::Error,
    },
    /// The header lacks a column.
    #[error("read {}: no column '{column}' in the header ({found}); expected {expected}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// The columns of this kind of file.
        expected: &'static str,
        /// The header.
        found: String,
    },
    /// The file is no table.
    #[error("read {}: the file {what}; {cure}", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What can be done.
        cure: &'static str,
    },
    /// The file is packed, and cannot be unpacked.
    #[error("read {}: {cause}", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Coordinates are no pixels of the face.
    #[error(
        "read {}: {found}; expected pixels of the picture, from 0 at the left and top edge to {side}: {cure}",
        path.display()
    )]
    NotPixels {
        /// The file.
        path: PathBuf,
        /// Where the coordinates lie.
        found: String,
        /// Width and height of the pictures in pixels.
        side: usize,
        /// How they become pixels.
        cure: String,
    },
    /// The header names a column twice.
    #[error("read {}: column '{column}' stands twice in the header; remove one", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
    },
    /// No row of the file can be used.
    #[error("read {}: no usable row ({skipped} bad, {outside} of other classes)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Rows that were skipped because they are bad.
        skipped: usize,
        /// Rows whose label is outside the class set.
        outside: u64,
    },
    /// A row is bad.
    #[error("read {}: {bad}; mend the row, or skip bad rows", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Which row, and what is wrong with it.
        bad: BadRow,
    },
    /// The class set has a class that the file cannot hold.
    #[error("read {}: class '{class}' is none of its labels ({})", path.display(), known.join(", "))]
    Class {
        /// The file.
        path: PathBuf,
        /// The class.
        class: String,
        /// The labels that its numbers stand for.
        known: Vec<String>,
    },
    /// The file of votes belongs to another file of faces.
    #[error("read {}: {found} rows of votes for {expected} rows of faces; both files need the same rows", path.display())]
    VoteRows {
        /// The file of votes.
        path: PathBuf,
        /// Rows of the file of faces.
        expected: u64,
        /// Rows of the file of votes.
        found: u64,
    },
    /// The folders of classes lie deeper.
    #[error("read {}: the folders of classes lie in its folders {inner}: name one of these instead", path.display())]
    Outer {
        /// The directory.
        path: PathBuf,
        /// In which of its folders.
        inner: String,
    },
    /// A picture of a folder cannot be used.
    #[error("read {}: {fault}; mend or remove it, or skip bad pictures", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
}

/// What to do with a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadRows {
    /// The first bad row is an error.
    #[default]
    Refuse,
    /// Bad rows are left out and listed in [`Skipped`].
    Skip,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub struct BadRow {
    /// Number of the data row; the first below the header is 1.
    pub row: u64,
    /// Line of the file on which it begins; the header is on line 1.
    pub line: u64,
    /// Column where the fault is; empty if it concerns the whole row.
    pub column: String,
    /// What is wrong with the row.
    pub fault: Fault,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} (line {})", self.row, self.line)?;
        if !self.column.is_empty() {
            write!(f, ", column '{}'", self.column)?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// What is wrong with a cell or a row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The row has more or fewer fields than the header.
    #[error("{found} fields instead of {expected}")]
    Fields {
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// A value that should be a number is none.
    #[error("'{0}' is no number")]
    Number(String),
    /// A pixel is no whole number, or outside 0..=255.
    #[error("pixel {at} is '{text}', expected a number from 0 to 255")]
    Pixel {
        /// Its index, from 0.
        at: usize,
        /// What stands there.
        text: String,
    },
    /// The number of pixels fits no square face of a supported side.
    #[error("{found} pixels, expected {expected}")]
    PixelCount {
        /// Pixels found.
        found: usize,
        /// Counts that would do.
        expected: String,
    },
    /// A picture cannot be read.
    #[error("{0}")]
    Picture(String),
    /// A picture is no square, or smaller than any face should be.
    #[error("{width} x {height} pixels, expected a square of at least 24 x 24")]
    PictureSize {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
    },
    /// The nested list of pixels is no list of equally long rows.
    #[error("the nested list breaks at pixel {at}: expected [[row], [row], ...] with square sides")]
    List {
        /// Pixels read before the fault.
        at: usize,
    },
    /// The pixels have another form than those of the rows before.
    #[error("pixels in another form than in the first row (plain numbers or a nested list)")]
    Form,
    /// A coordinate lies so far outside the face that it must be something else.
    #[error("coordinate {value} is not within -{side} to {} pixels", 2 * side)]
    Coordinate {
        /// What stands there.
        value: f32,
        /// Width and height of the picture in pixels.
        side: usize,
    },
    /// A point stands where no point of a face is, as a mark that it is missing.
    #[error("({0}, {0}) is no place in a face; leave both cells of a missing point empty")]
    MissingMark(f32),
    /// A point has only one coordinate.
    #[error("empty, but the point's other coordinate is given; both or none")]
    HalfPoint,
    /// A label is outside the labels of this kind of file.
    #[error("label '{text}', expected a whole number from 0 to {max}")]
    Label {
        /// What stands there.
        text: String,
        /// The highest label.
        max: usize,
    },
    /// A label that should be a name is none that is known.
    #[error("label '{0}' is no class by name; known are Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral, Contempt")]
    LabelName(String),
    /// A usage that the data set does not know, or that differs from the file of faces.
    #[error("usage '{text}', expected {expected}")]
    Usage {
        /// What stands there.
        text: String,
        /// What would do.
        expected: &'static str,
    },
}

/// The rows of a file that were passed over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Skipped {
    /// Bad rows, in the order of the file.
    pub rows: Vec<BadRow>,
    /// Rows that are in order, but whose label is outside the class set.
    pub outside_classes: u64,
    /// What looks as if the file meant something else than was read.
    pub doubts: Vec<String>,
}
