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
//! Faces are 48 x 48 or 96 x 96, the same throughout a file. A row whose label is not in the class set
//! is left out and counted.

use std::path::Path;

use csv::ByteRecord;
use shared_model::emotion::{ClassSet, PRODUCT_CLASSES};

use super::pixels::{self, Form};
use super::table::{RowFault, Table, shown};
use super::{BadRows, DataError, EmotionData, Faces, Fault, Skipped, Usage};

/// The labels of FER2013 in the order of their numbers.
pub const FER2013_LABELS: [&str; 7] = ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"];

const EXPECTED: &str = "emotion, pixels and optionally Usage";

/// What is done with rows whose label is outside the class set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// They are left out, and counted.
    LeaveOut,
    /// They are kept, without a label of their own; [`super::votes::attach`] gives them one.
    Keep,
}

/// Reads the rows of a file whose label is in `classes`.
pub fn read(path: &Path, classes: &ClassSet, bad_rows: BadRows) -> Result<(EmotionData, Skipped), DataError> {
    read_with(path, classes, bad_rows, Outside::LeaveOut)
}

/// Like [`read`]; `outside` says what happens to the other rows.
pub fn read_with(
    path: &Path,
    classes: &ClassSet,
    bad_rows: BadRows,
    outside: Outside,
) -> Result<(EmotionData, Skipped), DataError> {
    let mut table = Table::open(path, bad_rows, EXPECTED)?;
    let columns = Columns {
        emotion: table.column("emotion")?,
        pixels: table.column("pixels")?,
        usage: table.optional_column("Usage")?,
    };
    let mut builder = Builder::new(outside);
    let mut record = ByteRecord::new();
    let mut kind = None;
    while table.next(&mut record)? {
        if kind.is_none() {
            kind = Kind::of(&record[columns.pixels], classes, path)?;
        }
        let added = match &kind {
            Some(kind) => builder.add(&record, &columns, kind, table.row()),
            None => Err(("pixels".to_owned(), pixel_count(0))),
        };
        if let Err(fault) = added {
            table.bad(&record, fault)?;
        }
    }
    builder.finish(table, classes)
}

/// Where everything stands.
struct Columns {
    emotion: usize,
    pixels: usize,
    usage: Option<usize>,
}

/// A kind of file.
struct Kind {
    form: Form,
    /// For each number of the `emotion` column the class; `None` outside the class set.
    class_of: Vec<Option<u8>>,
}

impl Kind {
    /// The kind of file whose first row has these pixels; `None` if the cell is blank.
    fn of(pixels: &[u8], classes: &ClassSet, path: &Path) -> Result<Option<Self>, DataError> {
        let Some(form) = Form::of(pixels) else { return Ok(None) };
        let known: &[&str] = match form {
            Form::Plain => &FER2013_LABELS,
            Form::Nested => &PRODUCT_CLASSES,
        };
        for class in classes.iter() {
            if !known.iter().any(|label| label.eq_ignore_ascii_case(class)) {
                let (path, class) = (path.to_owned(), class.to_owned());
                return Err(DataError::Class { path, class, known });
            }
        }
        let class_of = known.iter().map(|label| classes.index(label).map(|class| class as u8));
        Ok(Some(Self {
            form,
            class_of: class_of.collect(),
        }))
    }

    /// The class of a cell of the `emotion` column; `None` outside the class set.
    fn class(&self, cell: &[u8]) -> Result<Option<u8>, Fault> {
        let number = std::str::from_utf8(cell.trim_ascii()).ok();
        let number = number.and_then(|text| text.parse::<usize>().ok());
        number
            .and_then(|number| self.class_of.get(number).copied())
            .ok_or_else(|| Fault::Label {
                text: shown(cell),
                max: self.class_of.len() - 1,
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

    fn add(&mut self, record: &ByteRecord, columns: &Columns, kind: &Kind, row: u64) -> Result<(), RowFault> {
        let class = kind.class(&record[columns.emotion]);
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
        match self.side {
            None => pixel_count(found),
            Some(pixels::SMALL_SIDE) => Fault::PixelCount {
                found,
                expected: "2304 (48 x 48) as in the rows before",
            },
            Some(_) => Fault::PixelCount {
                found,
                expected: "9216 (96 x 96) as in the rows before",
            },
        }
    }

    fn finish(self, table: Table, classes: &ClassSet) -> Result<(EmotionData, Skipped), DataError> {
        let (path, csv_rows) = (table.path().to_owned(), table.row());
        let skipped = Skipped {
            rows: table.into_skipped(),
            outside_classes: self.outside,
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
        expected: "2304 (48 x 48) or 9216 (96 x 96)",
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
mod tests {
    use std::io::Write;

    use super::*;

    fn file(header: &str, rows: &[String]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{header}\n{}", rows.join("\n")).unwrap();
        file
    }

    fn plain(value: u8, side: usize) -> String {
        vec![value.to_string(); side * side].join(" ")
    }

    fn nested(value: &str, side: usize) -> String {
        let row = format!("[{}]", vec![value; side].join(", "));
        format!("\"[{}]\"", vec![row; side].join(", "))
    }

    fn refused(file: &tempfile::NamedTempFile) -> String {
        read(file.path(), &ClassSet::product(), BadRows::Refuse)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn maps_fer2013_numbers_to_classes_by_name() {
        // Angry Disgust Fear Happy Sad Surprise Neutral -> Angry Disgust - Happy(3) Sad(2) Surprise -
        let rows: Vec<String> = (0..7)
            .map(|label| format!("{label},{},Training", plain(label, 48)))
            .collect();
        let (data, skipped) = read(
            file("emotion,pixels,Usage", &rows).path(),
            &ClassSet::product(),
            BadRows::Refuse,
        )
        .unwrap();
        assert_eq!(data.labels, [0, 1, 3, 2, 4]);
        assert_eq!(data.rows, [1, 2, 4, 5, 6]);
        assert_eq!((skipped.outside_classes, skipped.rows.len()), (2, 0));
        assert_eq!((data.faces.side(), data.faces.pixels(2)[0], data.csv_rows), (48, 3, 7));
        assert_eq!(data.usage, Some(vec![Usage::Training; 5]));
    }

    #[test]
    fn reads_the_columns_of_the_challenge_file_and_other_class_sets() {
        let rows = [
            format!("6,PublicTest,{}", plain(1, 96)),
            format!("4,PrivateTest,{}", plain(1, 96)),
        ];
        let classes = ClassSet::new(&["sad", "neutral"]).unwrap();
        let file = file("emotion, Usage, pixels", &rows);
        let (data, _) = read(file.path(), &classes, BadRows::Refuse).unwrap();
        assert_eq!((data.labels, data.groups), (vec![1, 0], vec![0, 0]));
        assert_eq!(data.usage, Some(vec![Usage::PublicTest, Usage::PrivateTest]));
        assert_eq!(data.faces.side(), 96);
    }

    #[test]
    fn notebook_labels_are_already_the_products() {
        let rows = [format!("3,{}", nested("69.3", 96)), format!("2,{}", nested("73.5", 96))];
        let file = file("emotion,pixels", &rows);
        let (data, _) = read(file.path(), &ClassSet::product(), BadRows::Refuse).unwrap();
        assert_eq!((data.labels, data.usage), (vec![3, 2], None));
        assert_eq!((data.faces.pixels(0)[0], data.faces.pixels(1)[9215]), (69, 74));
    }

    #[test]
    fn refuses_bad_cells_with_their_place() {
        let good = format!("0,{},Training", plain(5, 48));
        let face = plain(5, 48);
        let cases = [
            (
                format!("7,{face},Training"),
                "column 'emotion': label '7', expected a whole number from 0 to 6",
            ),
            (format!("-1,{face},Training"), "column 'emotion': label '-1'"),
            (format!(",{face},Training"), "column 'emotion': label ''"),
            (
                format!("0,{face},Test"),
                "column 'Usage': usage 'Test', expected Training, PublicTest",
            ),
            (
                format!("0,{face} 5,Training"),
                "column 'pixels': 2305 pixels, expected 2304 (48 x 48) as in",
            ),
            (
                format!("0,{},Training", plain(5, 96)),
                "column 'pixels': 9216 pixels, expected 2304",
            ),
            (
                format!("0,{},Training", nested("5.0", 48)),
                "column 'pixels': pixels in another form",
            ),
            ("0,,Training".to_owned(), "column 'pixels': 0 pixels"),
        ];
        for (row, message) in cases {
            let file = file("emotion,pixels,Usage", &[good.clone(), row, good.clone()]);
            let error = refused(&file);
            assert!(error.contains("row 2 (line 3)") && error.contains(message), "{error}");
            let (data, skipped) = read(file.path(), &ClassSet::product(), BadRows::Skip).unwrap();
            assert_eq!((data.faces.len(), data.labels.len(), skipped.rows.len()), (2, 2, 1));
            assert_eq!(data.rows, [1, 3]);
        }
    }

    #[test]
    fn a_broken_first_row_decides_neither_side_nor_kind() {
        let rows = [
            "1,".to_owned(),
            "1,\"[[1]]\"".to_owned(),
            format!("1,{}", nested("8", 96)),
        ];
        let file = file("emotion,pixels", &rows);
        let (data, skipped) = read(file.path(), &ClassSet::product(), BadRows::Skip).unwrap();
        assert_eq!((data.faces.side(), data.labels, data.rows), (96, vec![1], vec![3]));
        assert_eq!(skipped.rows.len(), 2);
    }

    #[test]
    fn refuses_classes_that_the_file_cannot_hold_and_files_without_rows() {
        let contempt = ClassSet::new(&["Happy", "Contempt"]).unwrap();
        let some = file("emotion,pixels", &[format!("3,{}", plain(1, 48))]);
        let error = read(some.path(), &contempt, BadRows::Refuse).unwrap_err().to_string();
        assert!(
            error.contains("class 'Contempt' is none of its labels (Angry, Disgust, Fear"),
            "{error}"
        );
        let fear = file("emotion,pixels", &[format!("2,{}", plain(1, 48))]);
        assert!(refused(&fear).contains("no usable row (0 bad, 1 of other classes)"));
        assert!(refused(&file("emotion,pixels", &[])).contains("no usable row"));
        assert!(refused(&file("emotion,image", &[])).contains("no column 'pixels'"));
    }
}
