//! Reads the votes of several people for the faces of FER2013 (`fer2013new.csv` of FER+).
//!
//! Its rows are those of `fer2013.csv` in the same order. Columns by name: `neutral`, `happiness`,
//! `surprise`, `sadness`, `anger`, `disgust`, `fear`, `contempt`, each a count, and optionally
//! `Usage`. `unknown` and `NF` (no face) are votes for no class and not used.

use std::path::Path;

use csv::ByteRecord;
use shared_model::emotion::{ClassSet, MAX_CLASSES};

use super::emotion::usage;
use super::table::{RowFault, Table, shown};
use super::{BadRows, DataError, EmotionData, Fault, Skipped};

/// What FER+ calls the labels of FER2013 and its own eighth.
const COLUMNS: [(&str, &str); 8] = [
    ("Angry", "anger"),
    ("Disgust", "disgust"),
    ("Fear", "fear"),
    ("Happy", "happiness"),
    ("Sad", "sadness"),
    ("Surprise", "surprise"),
    ("Neutral", "neutral"),
    ("Contempt", "contempt"),
];

const LABELS: [&str; 8] = {
    let mut labels = [""; 8];
    let mut at = 0;
    while at < labels.len() {
        labels[at] = COLUMNS[at].0;
        at += 1;
    }
    labels
};

const EXPECTED: &str = "neutral, happiness, surprise, sadness, anger, disgust, fear, contempt and optionally Usage";

/// Share of the votes for each class, 0 beyond the last class.
pub type Shares = [f32; MAX_CLASSES];

/// Sets the soft labels of `data` from the votes for its own faces.
///
/// Votes are restricted to the class set and divided by their sum. A face without such a vote, and
/// one whose row of votes is skipped as bad, keeps its hard label as 1. After an error `data` is
/// unchanged.
pub fn attach(data: &mut EmotionData, path: &Path, bad_rows: BadRows) -> Result<Skipped, DataError> {
    let (shares, skipped) = read(data, path, bad_rows)?;
    let soft = shares
        .into_iter()
        .zip(&data.labels)
        .map(|(shares, label)| shares.unwrap_or_else(|| hard(*label)));
    data.soft = Some(soft.collect());
    Ok(skipped)
}

/// The votes for each face of `data`, restricted to the class set and divided by their sum; `None` where
/// nobody voted for one of its classes, and where the row of votes is skipped as bad.
pub fn read(data: &EmotionData, path: &Path, bad_rows: BadRows) -> Result<(Vec<Option<Shares>>, Skipped), DataError> {
    let mut table = Table::open(path, bad_rows, EXPECTED)?;
    let columns = columns_of(&table, &data.classes)?;
    let usage_column = table.optional_column("Usage")?;
    let mut found = vec![None; data.labels.len()];
    let mut record = ByteRecord::new();
    let mut next = 0;
    while table.next(&mut record)? {
        // Rows of faces, and so of `data`, ascend; those of other classes and bad ones are not among them.
        while data.rows.get(next).is_some_and(|row| *row < table.row()) {
            next += 1;
        }
        if data.rows.get(next) != Some(&table.row()) {
            continue;
        }
        let read = same_usage(data, next, &record, usage_column).and_then(|()| shares(&record, &columns));
        match read {
            Ok(shares) => found[next] = shares,
            Err(fault) => table.bad(&record, fault)?,
        }
    }
    if table.row() != data.csv_rows {
        return Err(DataError::VoteRows {
            path: path.to_owned(),
            expected: data.csv_rows,
            found: table.row(),
        });
    }
    let skipped = Skipped {
        rows: table.into_skipped(),
        outside_classes: 0,
    };
    Ok((found, skipped))
}

/// The column of each class, with its name.
fn columns_of(table: &Table, classes: &ClassSet) -> Result<Vec<(usize, &'static str)>, DataError> {
    classes
        .iter()
        .map(|class| {
            let known = COLUMNS.iter().find(|(label, _)| label.eq_ignore_ascii_case(class));
            let (_, name) = known.ok_or_else(|| DataError::Class {
                path: table.path().to_owned(),
                class: class.to_owned(),
                known: &LABELS,
            })?;
            Ok((table.column(name)?, *name))
        })
        .collect()
}

/// A face's usage in both files must agree, or the rows do not belong together.
fn same_usage(data: &EmotionData, row: usize, record: &ByteRecord, column: Option<usize>) -> Result<(), RowFault> {
    let (Some(own), Some(column)) = (&data.usage, column) else {
        return Ok(());
    };
    let fault = match usage(&record[column]) {
        Ok(found) if found == own[row] => return Ok(()),
        Ok(_) => Fault::Usage {
            text: shown(&record[column]),
            expected: "the usage of the same row in the file of faces",
        },
        Err(fault) => fault,
    };
    Err(("Usage".to_owned(), fault))
}

/// The share of each class; `None` if nobody voted for one.
fn shares(record: &ByteRecord, columns: &[(usize, &'static str)]) -> Result<Option<[f32; MAX_CLASSES]>, RowFault> {
    let mut shares = [0.0; MAX_CLASSES];
    for (share, &(column, name)) in shares.iter_mut().zip(columns) {
        *share = votes(&record[column]).map_err(|fault| (name.to_owned(), fault))?;
    }
    let sum: f32 = shares.iter().sum();
    Ok((sum > 0.0).then(|| shares.map(|votes| votes / sum)))
}

/// A count of votes; an empty cell is none.
fn votes(cell: &[u8]) -> Result<f32, Fault> {
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Ok(0.0);
    }
    let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<u16>().ok());
    number.map(f32::from).ok_or_else(|| Fault::Number(shown(cell)))
}

fn hard(label: u8) -> [f32; MAX_CLASSES] {
    let mut shares = [0.0; MAX_CLASSES];
    shares[usize::from(label)] = 1.0;
    shares
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Faces, Usage};
    use super::*;

    const HEADER: &str = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF";

    /// Faces of the CSV rows 1 (Angry), 3 (Happy) and 4 (Sad) of a file of 4 rows.
    fn faces() -> EmotionData {
        EmotionData {
            classes: ClassSet::product(),
            faces: Faces::new(1, vec![1, 2, 3]).unwrap(),
            labels: vec![0, 3, 2],
            soft: None,
            usage: Some(vec![Usage::Training, Usage::Training, Usage::PublicTest]),
            groups: vec![0, 1, 2],
            rows: vec![1, 3, 4],
            csv_rows: 4,
        }
    }

    fn file(rows: &[&str]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{HEADER}\n{}", rows.join("\n")).unwrap();
        file
    }

    const ROWS: [&str; 4] = [
        "Training,a,4,0,0,1,3,0,0,2,0,0",
        "Training,b,0,0,9,0,0,0,1,0,0,0",
        "Training,c,5,0,0,0,0,0,5,0,0,0",
        "PublicTest,d,,1,1,1,0,1,,,,",
    ];

    #[test]
    fn votes_are_restricted_to_the_classes_and_add_up_to_1() {
        let mut data = faces();
        attach(&mut data, file(&ROWS).path(), BadRows::Refuse).unwrap();
        let soft = data.soft.unwrap();
        // Angry 3, Sad 1; neutral and contempt do not count.
        assert_eq!(soft[0], [0.75, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]);
        // Only neutral and fear: the hard label stays.
        assert_eq!(soft[1], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(soft[2], [0.0, 0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn refuses_votes_of_other_faces() {
        let mut data = faces();
        let error = attach(&mut data, file(&ROWS[..3]).path(), BadRows::Refuse).unwrap_err();
        assert!(matches!(
            error,
            DataError::VoteRows {
                expected: 4,
                found: 3,
                ..
            }
        ));
        let swapped = [ROWS[3], ROWS[1], ROWS[2], ROWS[0]];
        let error = attach(&mut data, file(&swapped).path(), BadRows::Refuse)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 1 (line 2), column 'Usage': usage 'PublicTest', expected the usage"),
            "{error}"
        );
        assert_eq!(data.soft, None);
    }

    #[test]
    fn a_bad_row_is_refused_or_keeps_its_hard_label() {
        let bad = [ROWS[0], ROWS[1], ROWS[2], "PublicTest,d,0,x,0,0,0,0,0,0,0,0"];
        let mut data = faces();
        let error = attach(&mut data, file(&bad).path(), BadRows::Refuse)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("row 4 (line 5), column 'happiness': 'x' is no number"),
            "{error}"
        );
        let skipped = attach(&mut data, file(&bad).path(), BadRows::Skip).unwrap();
        assert_eq!((skipped.rows.len(), skipped.rows[0].row), (1, 4));
        assert_eq!(data.soft.unwrap()[2], hard(2));
    }

    #[test]
    fn refuses_a_class_that_nobody_could_vote_for() {
        let mut data = faces();
        data.classes = ClassSet::new(&["Angry", "Bored", "Sad", "Happy"]).unwrap();
        let error = attach(&mut data, file(&ROWS).path(), BadRows::Refuse)
            .unwrap_err()
            .to_string();
        assert!(error.contains("class 'Bored' is none of its labels (Angry,"), "{error}");
    }
}
