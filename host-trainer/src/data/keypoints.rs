//! Reads faces with keypoints in the form of Kaggle's `training.csv`.
//!
//! Columns, in any order: the 15 names of [`NAMES`] with `_x` and `_y`, in pixels of the face, both empty where a point
//! is not known (`NaN`, `NA` and `NULL` are empty, too); `Image`, the numbers 0..=255 of a square face, 96 x 96 in
//! Kaggle's file, parted by blanks; optionally `Group`, the person. Other columns are passed over. Faces of another
//! side become 96 x 96 by the code that samples faces on the device, and so do their points.

use std::collections::HashMap;
use std::path::Path;

use csv::ByteRecord;
use shared_model::image::{CropRule, SIDE};
use shared_model::keypoints::{COUNT, Keypoints, NAMES, Point};

use super::pixels::{self, Form};
use super::table::{RowFault, Table, shown};
use super::{BadRows, DataError, Faces, Fault, KeypointData, Skipped};

const EXPECTED: &str = "left_eye_center_x, left_eye_center_y, ..., Image and optionally Group";

/// What programs write where a number is missing; letter case aside.
const MISSING: [&[u8]; 9] = [b"", b"nan", b"na", b"n/a", b"#n/a", b"<na>", b"null", b"none", b"-"];

/// What programs write for both coordinates of a missing point, and no face has a point there.
const MARKS: [f32; 2] = [-1.0, 0.0];

/// Share of the coordinates by which a file is told to hold no pixels.
const MOST: f64 = 0.99;

/// Reads a whole file, and tells which rows were left out.
///
/// # Errors
/// A file that cannot be read, columns that are missing, and rows that cannot be used, unless `bad_rows` says to skip
/// them.
pub fn read(path: &Path, bad_rows: BadRows) -> Result<(KeypointData, Skipped), DataError> {
    let mut table = Table::open(path, bad_rows, EXPECTED)?;
    let columns = Columns::find(&table)?;
    let mut read = Builder::default();
    let mut record = ByteRecord::new();
    while table.next(&mut record)? {
        match read.add(&table, &record, &columns) {
            Ok(()) => read.rows.push(table.row()),
            Err(fault) => table.bad(&record, fault)?,
        }
    }
    let path = table.path().to_owned();
    let skipped = Skipped {
        rows: table.into_skipped(),
        ..Skipped::default()
    };
    if let Some((found, cure)) = read.not_pixels() {
        let side = read.side.unwrap_or(SIDE);
        return Err(DataError::NotPixels {
            path,
            found,
            side,
            cure,
        });
    }
    match read.finish() {
        Some(data) => Ok((data, skipped)),
        None => Err(DataError::Empty {
            path,
            skipped: skipped.rows.len(),
            outside: 0,
        }),
    }
}

/// Where everything stands.
struct Columns {
    points: [[usize; 2]; COUNT],
    image: usize,
    group: Option<usize>,
}

impl Columns {
    fn find(table: &Table) -> Result<Self, DataError> {
        let mut points = [[0; 2]; COUNT];
        for (point, name) in points.iter_mut().zip(NAMES) {
            *point = [table.column(&format!("{name}_x"))?, table.column(&format!("{name}_y"))?];
        }
        Ok(Self {
            points,
            image: table.column("Image")?,
            group: table.optional_column("Group")?,
        })
    }
}

/// What has been read so far.
#[derive(Default)]
struct Builder {
    /// Of the first good row.
    side: Option<usize>,
    pixels: Vec<u8>,
    points: Vec<Keypoints>,
    present: Vec<[bool; COUNT]>,
    /// The person of each face; empty where the file names none.
    people: Vec<Vec<u8>>,
    rows: Vec<u64>,
}

impl Builder {
    fn add(&mut self, table: &Table, record: &ByteRecord, columns: &Columns) -> Result<(), RowFault> {
        let (points, present) = points_of(table, record, columns)?;
        let start = self.pixels.len();
        self.add_pixels(&record[columns.image])
            .map_err(|fault| ("Image".to_owned(), fault))?;
        if let Some(fault) = far_away(&points, self.side.unwrap_or(SIDE)) {
            self.pixels.truncate(start);
            return Err(fault);
        }
        let person = columns.group.map(|at| record[at].trim_ascii().to_vec());
        self.people.push(person.unwrap_or_default());
        self.points.push(points);
        self.present.push(present);
        Ok(())
    }

    fn add_pixels(&mut self, cell: &[u8]) -> Result<(), Fault> {
        let start = self.pixels.len();
        let fault = match pixels::read(cell, Form::Plain, &mut self.pixels) {
            Ok(found) => match (pixels::side_of(found), self.side) {
                (Some(side), None) => {
                    self.side = Some(side);
                    return Ok(());
                }
                (Some(side), Some(own)) if side == own => return Ok(()),
                _ => self.wrong_count(found),
            },
            Err(fault) => fault,
        };
        self.pixels.truncate(start);
        Err(fault)
    }

    fn wrong_count(&self, found: usize) -> Fault {
        let expected = match self.side {
            None => "9216 (96 x 96), or another square of at least 24 x 24".to_owned(),
            Some(side) => format!("{} ({side} x {side}) as in the rows before", side * side),
        };
        Fault::PixelCount { found, expected }
    }

    /// Where the coordinates lie and how they become pixels, if they seem to be something else.
    fn not_pixels(&self) -> Option<(String, String)> {
        let side = self.side? as f32;
        let known = self.points.iter().zip(&self.present).flat_map(|(points, present)| {
            let known = points.0.iter().zip(present).filter(|(_, present)| **present);
            known.flat_map(|(point, _)| *point)
        });
        let known: Vec<f32> = known.collect();
        let share = |low: f32, high: f32| {
            let inside = known.iter().filter(|value| (low..=high).contains(*value)).count();
            inside as f64 / known.len().max(1) as f64
        };
        if known.is_empty() || share(0.0, side) >= 0.5 && share(-2.0, 2.0) < MOST {
            return None;
        }
        Some(if share(0.0, 1.0) >= MOST {
            (
                "the coordinates lie within 0 and 1, as shares".to_owned(),
                format!("multiply them by {side}"),
            )
        } else if share(-2.0, 2.0) >= MOST {
            let half = side / 2.0;
            (
                "the coordinates lie around 0, most within -1 and 1".to_owned(),
                format!("multiply them by {half} and add {half}"),
            )
        } else {
            (
                "most coordinates lie beyond the picture".to_owned(),
                "subtract where the face begins, and scale by how much it was scaled".to_owned(),
            )
        })
    }

    /// `None` without any face.
    fn finish(self) -> Option<KeypointData> {
        let side = self.side?;
        let faces = Faces::new(side, self.pixels).filter(|faces| !faces.is_empty())?;
        let mut points = self.points;
        let groups = groups_of(&self.people, &faces.copy_groups());
        let faces = if side == SIDE {
            faces
        } else {
            faces.framed(&CropRule::IDENTITY)
        };
        let factor = SIDE as f32 / side as f32;
        if side != SIDE {
            let all = points.iter_mut().flat_map(|points| points.0.iter_mut().flatten());
            all.for_each(|coordinate| *coordinate *= factor);
        }
        Some(KeypointData {
            faces,
            points,
            present: self.present,
            groups,
            rows: self.rows,
        })
    }
}

fn points_of(table: &Table, record: &ByteRecord, columns: &Columns) -> Result<(Keypoints, [bool; COUNT]), RowFault> {
    let mut points = Keypoints([[0.0; 2]; COUNT]);
    let mut present = [false; COUNT];
    for (at, [x, y]) in columns.points.into_iter().enumerate() {
        let pair = [(x, "_x"), (y, "_y")].map(|(column, axis)| {
            coordinate(table, &record[column]).map_err(|fault| (format!("{}{axis}", NAMES[at]), fault))
        });
        let [x, y] = pair;
        match (x?, y?) {
            (Some(x), Some(y)) if x == y && MARKS.contains(&x) => {
                return Err((format!("{}_x", NAMES[at]), Fault::MissingMark(x)));
            }
            (Some(x), Some(y)) => {
                points.0[at] = Point::from([x, y]);
                present[at] = true;
            }
            (None, None) => {}
            (None, Some(_)) => return Err((format!("{}_x", NAMES[at]), Fault::HalfPoint)),
            (Some(_), None) => return Err((format!("{}_y", NAMES[at]), Fault::HalfPoint)),
        }
    }
    Ok((points, present))
}

/// A point may lie beyond the edge of a face that is cut out tightly, but not by more than a side.
fn far_away(points: &Keypoints, side: usize) -> Option<RowFault> {
    let near = -(side as f32)..=2.0 * side as f32;
    for (name, point) in NAMES.iter().zip(points.0) {
        for (axis, value) in ["x", "y"].iter().zip(point) {
            if !near.contains(&value) {
                return Some((format!("{name}_{axis}"), Fault::Coordinate { value, side }));
            }
        }
    }
    None
}

/// A coordinate in pixels; `None` where the cell holds none.
fn coordinate(table: &Table, cell: &[u8]) -> Result<Option<f32>, Fault> {
    let cell = cell.trim_ascii();
    if MISSING.iter().any(|missing| cell.eq_ignore_ascii_case(missing)) {
        return Ok(None);
    }
    match table.decimal(cell) {
        Some(value) if value.is_finite() => Ok(Some(value as f32)),
        _ => Err(Fault::Number(shown(cell))),
    }
}

/// Numbers the groups in order of appearance: the person where one is named, else the set of copies.
fn groups_of(people: &[Vec<u8>], copies: &[u32]) -> Vec<u32> {
    let mut known = HashMap::new();
    people
        .iter()
        .zip(copies)
        .map(|(person, copy)| {
            let own = person.is_empty().then_some(*copy);
            let next = known.len() as u32;
            *known.entry((person, own)).or_insert(next)
        })
        .collect()
}

#[cfg(test)]
mod tests;
