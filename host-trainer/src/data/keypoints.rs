//! Reads faces with keypoints in the form of Kaggle's `training.csv`.
//!
//! Columns, in any order: the 15 names of [`NAMES`] with `_x` and `_y`, in pixels of the 96 x 96 face,
//! both empty where a point is not known; `Image`, 9216 numbers 0..=255 parted by blanks; optionally
//! `Group`, the person. Other columns are passed over.

use std::collections::HashMap;
use std::path::Path;

use csv::ByteRecord;
use shared_model::image::{INPUT_LEN, SIDE};
use shared_model::keypoints::{COUNT, Keypoints, NAMES, Point};

use super::pixels::{self, Form};
use super::table::{RowFault, Table, shown};
use super::{BadRows, DataError, Faces, Fault, KeypointData, Skipped};

const EXPECTED: &str = "left_eye_center_x, left_eye_center_y, ..., Image and optionally Group";

/// Kaggle's faces are cut out tightly: a point may lie beyond the edge, but not by more than a side.
const NEAR_FACE: std::ops::RangeInclusive<f32> = -96.0..=192.0;

/// Reads a whole file.
pub fn read(path: &Path, bad_rows: BadRows) -> Result<(KeypointData, Skipped), DataError> {
    let mut table = Table::open(path, bad_rows, EXPECTED)?;
    let columns = Columns::find(&table)?;
    let mut read = Builder::default();
    let mut record = ByteRecord::new();
    while table.next(&mut record)? {
        match read.add(&record, &columns) {
            Ok(()) => read.rows.push(table.row()),
            Err(fault) => table.bad(&record, fault)?,
        }
    }
    let path = table.path().to_owned();
    let skipped = Skipped {
        rows: table.into_skipped(),
        outside_classes: 0,
    };
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
    pixels: Vec<u8>,
    points: Vec<Keypoints>,
    present: Vec<[bool; COUNT]>,
    /// The person of each face; empty where the file names none.
    people: Vec<Vec<u8>>,
    rows: Vec<u64>,
}

impl Builder {
    fn add(&mut self, record: &ByteRecord, columns: &Columns) -> Result<(), RowFault> {
        let (points, present) = points_of(record, columns)?;
        self.add_pixels(&record[columns.image])
            .map_err(|fault| ("Image".to_owned(), fault))?;
        let person = columns.group.map(|at| record[at].trim_ascii().to_vec());
        self.people.push(person.unwrap_or_default());
        self.points.push(points);
        self.present.push(present);
        Ok(())
    }

    fn add_pixels(&mut self, cell: &[u8]) -> Result<(), Fault> {
        let start = self.pixels.len();
        let read = match pixels::read(cell, Form::Plain, &mut self.pixels) {
            Ok(INPUT_LEN) => return Ok(()),
            Ok(found) => Fault::PixelCount {
                found,
                expected: "9216 (96 x 96)",
            },
            Err(fault) => fault,
        };
        self.pixels.truncate(start);
        Err(read)
    }

    /// `None` without any face.
    fn finish(self) -> Option<KeypointData> {
        let faces = Faces::new(SIDE, self.pixels).filter(|faces| !faces.is_empty())?;
        let groups = groups_of(&self.people, &faces.copy_groups());
        Some(KeypointData {
            faces,
            points: self.points,
            present: self.present,
            groups,
            rows: self.rows,
        })
    }
}

fn points_of(record: &ByteRecord, columns: &Columns) -> Result<(Keypoints, [bool; COUNT]), RowFault> {
    let mut points = Keypoints([[0.0; 2]; COUNT]);
    let mut present = [false; COUNT];
    for (at, [x, y]) in columns.points.into_iter().enumerate() {
        let pair = [(x, "_x"), (y, "_y")]
            .map(|(column, axis)| coordinate(&record[column]).map_err(|fault| (format!("{}{axis}", NAMES[at]), fault)));
        let [x, y] = pair;
        match (x?, y?) {
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

/// A coordinate in pixels; `None` where the cell is empty.
fn coordinate(cell: &[u8]) -> Result<Option<f32>, Fault> {
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Ok(None);
    }
    let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<f32>().ok());
    match number {
        Some(value) if NEAR_FACE.contains(&value) => Ok(Some(value)),
        Some(value) if value.is_finite() => Err(Fault::Coordinate(value)),
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
mod tests {
    use std::io::Write;

    use super::*;

    const FACE: &str = "IMAGE";

    /// A file with the columns in Kaggle's order; `FACE` stands for 9216 pixels of value 7.
    fn file(rows: &[&str], extra: &str) -> tempfile::NamedTempFile {
        let names: Vec<String> = NAMES
            .iter()
            .flat_map(|n| [format!("{n}_x"), format!("{n}_y")])
            .collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{},Image{extra}", names.join(",")).unwrap();
        for row in rows {
            writeln!(file, "{}", row.replace(FACE, &"7 ".repeat(INPUT_LEN))).unwrap();
        }
        file
    }

    /// Coordinates 0, 1, 2, ... with some of them replaced.
    fn coordinates(changed: &[(usize, &str)]) -> String {
        let mut all: Vec<String> = (0..2 * COUNT).map(|at| at.to_string()).collect();
        for (at, text) in changed {
            (*text).clone_into(&mut all[*at]);
        }
        all.join(",")
    }

    #[test]
    fn reads_points_and_what_is_missing() {
        let row = format!("{},{FACE}", coordinates(&[(4, ""), (5, " "), (1, "-2.5")]));
        let file = file(&[&row], "");
        let (data, skipped) = read(file.path(), BadRows::Refuse).unwrap();
        assert_eq!(skipped, Skipped::default());
        assert_eq!(data.points[0].0[0], [0.0, -2.5]);
        assert_eq!(data.points[0].0[2], [0.0, 0.0]);
        assert_eq!(data.points[0].0[14], [28.0, 29.0]);
        assert!(!data.present[0][2] && data.present[0][3]);
        assert_eq!((data.faces.len(), data.faces.side(), data.rows), (1, 96, vec![1]));
        assert_eq!(data.faces.pixels(0), [7; INPUT_LEN]);
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let names: Vec<String> = NAMES
            .iter()
            .rev()
            .flat_map(|n| [format!("{n}_y"), format!("{n}_x")])
            .collect();
        writeln!(file, "id,Image,{}", names.join(",")).unwrap();
        writeln!(file, "x,{},{}", "0 ".repeat(INPUT_LEN), coordinates(&[])).unwrap();
        let (data, _) = read(file.path(), BadRows::Refuse).unwrap();
        assert_eq!(data.points[0].0[14], [1.0, 0.0]);
        assert_eq!(data.points[0].0[0], [29.0, 28.0]);
    }

    #[test]
    fn groups_are_people_or_else_exact_copies() {
        let points = coordinates(&[]);
        let named = |person: &str| format!("{points},{FACE},{person}");
        let people = [named("Ann"), named("Bo"), named("Ann"), named(""), named("")];
        let file = file(&people.each_ref().map(String::as_str), ",Group");
        let (data, _) = read(file.path(), BadRows::Refuse).unwrap();
        assert_eq!(data.groups, [0, 1, 0, 2, 2]);
    }

    #[test]
    fn refuses_bad_cells_with_their_place() {
        let face = |changed: &[(usize, &str)]| format!("{},{FACE}", coordinates(changed));
        let points = coordinates(&[]);
        let cases = [
            (face(&[(20, "x1")]), "column 'nose_tip_x': 'x1' is no number"),
            (face(&[(21, "nan")]), "column 'nose_tip_y': 'nan' is no number"),
            (face(&[(0, "-inf")]), "column 'left_eye_center_x': '-inf' is no number"),
            (
                face(&[(0, "200")]),
                "column 'left_eye_center_x': coordinate 200 is not within",
            ),
            (face(&[(3, "")]), "column 'right_eye_center_y': empty, but"),
            (face(&[(2, "")]), "column 'right_eye_center_x': empty, but"),
            (format!("{points},1 2 3"), "column 'Image': 3 pixels, expected 9216"),
            (format!("{points},1 2 300"), "column 'Image': pixel 2 is '300'"),
            (points, "30 fields instead of 31"),
        ];
        for (row, message) in cases {
            let file = file(&[&face(&[]), &row], "");
            let error = read(file.path(), BadRows::Refuse).unwrap_err().to_string();
            assert!(error.contains("row 2 (line 3)") && error.contains(message), "{error}");
            let (data, skipped) = read(file.path(), BadRows::Skip).unwrap();
            assert_eq!(
                (data.faces.len(), data.points.len(), skipped.rows.len()),
                (1, 1, 1),
                "{message}"
            );
            assert_eq!(skipped.rows[0].row, 2);
        }
    }

    #[test]
    fn refuses_files_without_faces_or_columns() {
        let empty = file(&[], "");
        assert!(matches!(
            read(empty.path(), BadRows::Refuse),
            Err(DataError::Empty { skipped: 0, .. })
        ));
        let bad = file(&["1"], "");
        assert!(matches!(
            read(bad.path(), BadRows::Skip),
            Err(DataError::Empty { skipped: 1, .. })
        ));
        let nothing = tempfile::NamedTempFile::new().unwrap();
        let error = read(nothing.path(), BadRows::Skip).unwrap_err().to_string();
        assert!(error.contains("no column 'left_eye_center_x'"), "{error}");
    }
}
