//! Reads the votes of several people for the faces of FER2013 (`fer2013new.csv` of FER+).
//!
//! Its rows are those of `fer2013.csv` in the same order. Columns by name: `neutral`, `happiness`,
//! `surprise`, `sadness`, `anger`, `disgust`, `fear`, `contempt`, each a count, and optionally
//! `Usage`, `unknown` and `NF` (no face); the last two are votes for no class.

use std::path::Path;

use csv::ByteRecord;
use shared_model::emotion::{ClassSet, MAX_CLASSES};

use super::emotion::usage;
use super::labels::count;
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

/// What FER+ calls a vote for no label at all; both columns may be missing.
const NEITHER: [&str; 2] = ["unknown", "NF"];

/// Share of the votes for each class, 0 beyond the last class.
pub type Shares = [f32; MAX_CLASSES];

/// What the taggers said of one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Votes {
    /// Votes for each class of the set, 0 beyond the last class.
    pub classes: [f32; MAX_CLASSES],
    /// Votes for everything else: labels outside the set, unknown, and no face.
    pub outside: f32,
    /// Most votes that one of those has.
    pub outside_top: f32,
}

impl Votes {
    /// Votes for the classes of the set.
    pub fn inside(&self) -> f32 {
        self.classes.iter().sum()
    }

    /// Share of the votes for each class among those for a class; `None` if nobody voted for one.
    pub fn shares(&self) -> Option<Shares> {
        let sum = self.inside();
        (sum > 0.0).then(|| self.classes.map(|votes| votes / sum))
    }

    /// The class with the most votes, the first of equals, and how many these are.
    pub fn top(&self) -> (usize, f32) {
        let classes = self.classes.iter().copied().enumerate();
        classes.fold((0, 0.0), |top, own| if own.1 > top.1 { own } else { top })
    }

    /// The class that has more votes than any other label; `None` if that is no class, or none has.
    pub fn majority(&self) -> Option<usize> {
        let (class, most) = self.top();
        let as_many = self.classes.iter().filter(|votes| **votes >= most).count();
        (most > self.outside_top && as_many == 1).then_some(class)
    }
}

/// Adds the votes for its own faces to `data`; those of a row that is skipped as bad are none.
///
/// Faces whose label is outside the class set get the class with the most votes. After an error `data` is
/// unchanged.
pub fn attach(data: &mut EmotionData, path: &Path, bad_rows: BadRows) -> Result<Skipped, DataError> {
    let (votes, skipped) = read(data, path, bad_rows)?;
    for ((label, votes), labelled) in data.labels.iter_mut().zip(&votes).zip(&data.labelled) {
        if let (false, Some(votes)) = (labelled, votes) {
            *label = votes.top().0 as u8;
        }
    }
    data.votes = Some(votes);
    Ok(skipped)
}

/// The votes for each face of `data`; `None` where the row of votes is skipped as bad.
pub fn read(data: &EmotionData, path: &Path, bad_rows: BadRows) -> Result<(Vec<Option<Votes>>, Skipped), DataError> {
    let mut table = Table::open(path, bad_rows, EXPECTED)?;
    let columns = Columns::of(&table, &data.classes)?;
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
        let read = same_usage(data, next, &record, usage_column).and_then(|()| columns.read(&record));
        match read {
            Ok(votes) => found[next] = Some(votes),
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
        ..Skipped::default()
    };
    Ok((found, skipped))
}

/// Where the votes stand, with the names of the columns.
struct Columns {
    /// Of each class.
    classes: Vec<(usize, &'static str)>,
    /// Of everything else that the file has.
    outside: Vec<(usize, &'static str)>,
}

impl Columns {
    fn of(table: &Table, classes: &ClassSet) -> Result<Self, DataError> {
        let own = columns_of(table, classes)?;
        let others = COLUMNS.iter().map(|(_, name)| *name).chain(NEITHER);
        let mut outside = Vec::new();
        for name in others.filter(|name| own.iter().all(|(_, own)| own != name)) {
            outside.extend(table.optional_column(name)?.map(|at| (at, name)));
        }
        Ok(Self { classes: own, outside })
    }

    fn read(&self, record: &ByteRecord) -> Result<Votes, RowFault> {
        let count = |&(column, name): &(usize, &str)| votes(&record[column]).map_err(|fault| (name.to_owned(), fault));
        let mut classes = [0.0; MAX_CLASSES];
        for (votes, column) in classes.iter_mut().zip(&self.classes) {
            *votes = count(column)?;
        }
        let outside = self.outside.iter().map(count).collect::<Result<Vec<_>, _>>()?;
        Ok(Votes {
            classes,
            outside: outside.iter().sum(),
            outside_top: outside.iter().copied().fold(0.0, f32::max),
        })
    }
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
                known: LABELS.map(str::to_owned).to_vec(),
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

/// A count of votes; an empty cell is none.
fn votes(cell: &[u8]) -> Result<f32, Fault> {
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Ok(0.0);
    }
    count(cell).map(f32::from).ok_or_else(|| Fault::Number(shown(cell)))
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
            labelled: vec![true; 3],
            votes: None,
            sets: vec![0],
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
        "Training,c,5.0,0,0,0,0,0,5,0,0,0",
        "PublicTest,d,,1,1,1,0,1,,,,",
    ];

    fn attached(rows: &[&str]) -> Vec<Votes> {
        let mut data = faces();
        attach(&mut data, file(rows).path(), BadRows::Refuse).unwrap();
        data.votes.unwrap().into_iter().flatten().collect()
    }

    #[test]
    fn votes_are_counted_inside_and_outside_the_classes() {
        let votes = attached(&ROWS);
        // Angry 3, Sad 1; neutral 4 and contempt 2 are outside.
        assert_eq!(votes[0].classes, [3.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((votes[0].outside, votes[0].outside_top), (6.0, 4.0));
        assert_eq!(votes[0].shares(), Some([0.75, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]));
        // Only neutral and fear.
        assert_eq!((votes[1].shares(), votes[1].outside), (None, 10.0));
        assert_eq!(votes[2].shares(), Some([0.0, 0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn a_majority_beats_every_other_label_those_outside_included() {
        let votes = attached(&ROWS);
        assert_eq!(
            [votes[0].majority(), votes[1].majority(), votes[2].majority()],
            [None; 3]
        );
        let sure = Votes {
            classes: [5.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            ..votes[0]
        };
        assert_eq!((sure.majority(), sure.top()), (Some(0), (0, 5.0)));
        let tied = Votes {
            outside_top: 5.0,
            ..sure
        };
        assert_eq!(tied.majority(), None);
    }

    #[test]
    fn a_face_of_another_label_gets_its_class_by_votes() {
        let mut data = faces();
        data.labelled = vec![false, false, true];
        data.labels = vec![4, 4, 2];
        attach(&mut data, file(&ROWS).path(), BadRows::Refuse).unwrap();
        // The first has three votes for Angry, the second none for a class, the third a label of its own.
        assert_eq!(data.labels, [0, 0, 2]);
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
        assert_eq!(data.votes, None);
    }

    #[test]
    fn a_bad_row_is_refused_or_has_no_votes() {
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
        assert_eq!(data.votes.unwrap()[2], None);
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
