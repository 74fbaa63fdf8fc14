//! Reads faces with one emotion each.
//!
//! Two kinds of file, told apart by the first row's pixels; columns in any order, letter case aside,
//! other columns passed over:
//!
//! | kind | `emotion` | `pixels` | `Usage` |
//! |---|---|---|---|
//! | FER2013 | index into [`FER2013_LABELS`] | whole numbers parted by blanks | optional |
//! | notebook | index into [`PRODUCT_CLASSES`] | nested list of numbers, rounded to whole ones | optional |
//!
//! In both, `emotion` may hold names instead, and [`Reading::labels`] says what other numbers mean. Faces are squares
//! of at least 24 x 24 pixels, the same throughout a file. A row whose label is not in the class set is left out and
//! counted.

use std::path::Path;

use csv::ByteRecord;
use shared_model::emotion::{ClassSet, PRODUCT_CLASSES};

pub use super::labels::FER2013_LABELS;
use super::labels::Labels;
use super::pixels::{self, Form};
use super::table::{RowFault, Table, shown};
use super::{BadRows, DataError, EmotionData, Faces, Fault, Skipped, Usage};

const EXPECTED: &str = "emotion, pixels and optionally Usage";

/// What is done with rows whose label is outside the class set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// They are left out, and counted.
    LeaveOut,
    /// They are kept, without a label of their own; [`super::votes::attach`] gives them one.
    Keep,
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// What is done with rows that cannot be read.
    pub bad_rows: BadRows,
    /// What is done with labels outside the class set.
    pub outside: Outside,
    /// What the numbers in the column `emotion` mean, from 0; empty for what they usually mean.
    pub labels: &'a [String],
}

/// Reads the rows of a file whose label is in `classes`.
pub fn read(path: &Path, classes: &ClassSet, bad_rows: BadRows) -> Result<(EmotionData, Skipped), DataError> {
    let reading = Reading {
        bad_rows,
        outside: Outside::LeaveOut,
        labels: &[],
    };
    read_with(path, classes, reading)
}

/// Like [`read`]; `reading` says what else there is to know.
pub fn read_with(path: &Path, classes: &ClassSet, reading: Reading<'_>) -> Result<(EmotionData, Skipped), DataError> {
    let mut table = Table::open(path, reading.bad_rows, EXPECTED)?;
    let columns = Columns {
        emotion: table.column("emotion")?,
        pixels: table.column("pixels")?,
        usage: table.optional_column("Usage")?,
    };
    let mut builder = Builder::new(reading.outside);
    let mut record = ByteRecord::new();
    let mut kind = None;
    while table.next(&mut record)? {
        if kind.is_none() {
            kind = Kind::of(&record, &columns, classes, reading.labels);
            if let Some(kind) = &mut kind {
                kind.labels.begin(&record[columns.emotion], path)?;
            }
        }
        let added = match &mut kind {
            Some(kind) => builder.add(&record, &columns, kind, table.row()),
            None => Err(("pixels".to_owned(), pixel_count(0))),
        };
        if let Err(fault) = added {
            table.bad(&record, fault)?;
        }
    }
    let doubt = kind.and_then(|kind| kind.labels.doubt());
    let (data, mut skipped) = builder.finish(table, classes)?;
    skipped.doubts.extend(doubt);
    Ok((data, skipped))
}

/// Where everything stands.
struct Columns {
    emotion: usize,
    pixels: usize,
    usage: Option<usize>,
}

/// A kind of file.
struct Kind<'a> {
    form: Form,
    labels: Labels<'a>,
}

impl<'a> Kind<'a> {
    /// The kind of file whose first row this is; `None` if its pixels are blank.
    fn of(record: &ByteRecord, columns: &Columns, classes: &'a ClassSet, told: &[String]) -> Option<Self> {
        let form = Form::of(&record[columns.pixels])?;
        let usual: &[&str] = match form {
            Form::Plain => &FER2013_LABELS,
            Form::Nested => &PRODUCT_CLASSES,
        };
        Some(Self {
            form,
            labels: Labels::new(classes, told, usual),
        })
    }
}

/// What has been read so far.
struct Builder {
    keep: Outside,
    /// Of the first good row.
    side: Option<usize>,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    labelled: Vec<bool>,
    usage: Vec<Usage>,
    rows: Vec<u64>,
    outside: u64,
}

impl Builder {
    fn new(keep: Outside) -> Self {
        Self {
            keep,
            side: None,
            pixels: Vec::new(),
            labels: Vec::new(),
            labelled: Vec::new(),
            usage: Vec::new(),
            rows: Vec::new(),
            outside: 0,
        }
    }

    fn add(&mut self, record: &ByteRecord, columns: &Columns, kind: &mut Kind<'_>, row: u64) -> Result<(), RowFault> {
        let class = kind.labels.class(&record[columns.emotion]);
        let class = class.map_err(|fault| ("emotion".to_owned(), fault))?;
        if class.is_none() && self.keep == Outside::LeaveOut {
            self.outside += 1;
            return Ok(());
        }
        let usage = columns.usage.map(|at| usage(&record[at])).transpose();
        let usage = usage.map_err(|fault| ("Usage".to_owned(), fault))?;
        self.add_pixels(&record[columns.pixels], kind.form)
            .map_err(|fault| ("pixels".to_owned(), fault))?;
        self.usage.extend(usage);
        self.labels.push(class.unwrap_or(0));
        self.labelled.push(class.is_some());
        self.rows.push(row);
        Ok(())
    }

    fn add_pixels(&mut self, cell: &[u8], form: Form) -> Result<(), Fault> {
        let start = self.pixels.len();
        let fault = match pixels::read(cell, form, &mut self.pixels) {
            // Another form can only be told from a wrong number by its first character.
            Err(_) if Form::of(cell).is_some_and(|other| other != form) => Fault::Form,
            Err(fault) => fault,
            Ok(found) => match pixels::side_of(found) {
                Some(side) if *self.side.get_or_insert(side) == side => return Ok(()),
                _ => self.wrong_count(found),
            },
        };
        self.pixels.truncate(start);
        Err(fault)
    }

    fn wrong_count(&self, found: usize) -> Fault {
        let Some(side) = self.side else {
            return pixel_count(found);
        };
        Fault::PixelCount {
            found,
            expected: format!("{} ({side} x {side}) as in the rows before", side * side),
        }
    }

    fn finish(self, table: Table, classes: &ClassSet) -> Result<(EmotionData, Skipped), DataError> {
        let (path, csv_rows) = (table.path().to_owned(), table.row());
        let skipped = Skipped {
            rows: table.into_skipped(),
            outside_classes: self.outside,
            doubts: Vec::new(),
        };
        let faces = self.side.and_then(|side| Faces::new(side, self.pixels));
        let Some(faces) = faces.filter(|faces| !faces.is_empty()) else {
            return Err(DataError::Empty {
                path,
                skipped: skipped.rows.len(),
                outside: self.outside,
            });
        };
        let data = EmotionData {
            classes: classes.clone(),
            groups: faces.copy_groups(),
            faces,
            labels: self.labels,
            labelled: self.labelled,
            votes: None,
            sets: vec![0],
            usage: (!self.usage.is_empty()).then_some(self.usage),
            rows: self.rows,
            csv_rows,
        };
        Ok((data, skipped))
    }
}

fn pixel_count(found: usize) -> Fault {
    Fault::PixelCount {
        found,
        expected: pixels::SQUARES.to_owned(),
    }
}

/// The part of FER2013 that a cell names.
pub(super) fn usage(cell: &[u8]) -> Result<Usage, Fault> {
    match cell.trim_ascii() {
        b"Training" => Ok(Usage::Training),
        b"PublicTest" => Ok(Usage::PublicTest),
        b"PrivateTest" => Ok(Usage::PrivateTest),
        _ => Err(Fault::Usage {
            text: shown(cell),
            expected: "Training, PublicTest or PrivateTest",
        }),
    }
}

#[cfg(test)]
mod tests;
