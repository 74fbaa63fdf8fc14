//! The boxes of another detector, as a table: what our own is compared with on the same pictures.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::error::{checked, number};
use super::{SetError, Wrong};
use crate::data::bounded::Bounded;

const COLUMNS: [&str; 6] = ["image", "x", "y", "width", "height", "score"];

/// A box of another detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Predicted {
    /// Left, top, right, bottom in pixels of the picture's file.
    pub bounds: [f32; 4],
    /// How sure the detector was, 0 to 1.
    pub score: f32,
}

/// Boxes by the names of their pictures; a picture without any has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions(BTreeMap<String, Vec<Predicted>>);

impl Predictions {
    /// Reads a CSV file with the columns `image`, `x`, `y`, `width`, `height` and `score`, a row for each box.
    ///
    /// # Errors
    /// [`SetError::Read`] where the file cannot be read, and [`SetError::Row`] where a row is wrong.
    pub fn read(path: &Path) -> Result<Self, SetError> {
        let file = durable::open_regular(path).map_err(|source| SetError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(BufReader::new(file)).map_err(|(line, wrong)| SetError::Row {
            path: path.to_owned(),
            line,
            wrong,
        })
    }

    /// Boxes of a picture, in the order of the file.
    pub fn of(&self, name: &str) -> &[Predicted] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn parse(source: impl Read) -> Result<Self, (u64, Wrong)> {
        let broken = |error: &csv::Error| {
            let line = error.position().map_or(0, csv::Position::line);
            (line, Wrong::Broken(error.to_string()))
        };
        let (source, row) = Bounded::new(source);
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(source);
        let header = reader.headers().map_err(|error| broken(&error))?.clone();
        let mut columns = [0; COLUMNS.len()];
        for (at, name) in columns.iter_mut().zip(COLUMNS) {
            let place = header.iter().position(|column| column == name);
            *at = place.ok_or((1, Wrong::Lacks(name)))?;
        }
        let (mut found, mut record) = (Self::default(), StringRecord::new());
        loop {
            row.begin();
            if !reader.read_record(&mut record).map_err(|error| broken(&error))? {
                return Ok(found);
            }
            let line = record.position().map_or(0, csv::Position::line);
            let cells = columns.map(|at| record.get(at).unwrap_or_default());
            found.take(cells).map_err(|wrong| (line, wrong))?;
        }
    }

    fn take(&mut self, [image, x, y, width, height, score]: [&str; 6]) -> Result<(), Wrong> {
        if image.is_empty() {
            return Err(Wrong::Lacks("image"));
        }
        let [x, y] = [number("x", x)?, number("y", y)?];
        let [width, height] = [number("width", width)?, number("height", height)?];
        // How large the picture is, is not known here: a box may lie outside.
        let bounds = checked([x, y, x + width, y + height], None)?;
        let sure = number("score", score)?;
        if !(0.0..=1.0).contains(&sure) {
            return Err(Wrong::Word {
                field: "score",
                text: score.to_owned(),
                expected: "0 to 1",
            });
        }
        let predicted = Predicted { bounds, score: sure };
        self.0.entry(image.to_owned()).or_default().push(predicted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rows: &str) -> Result<Predictions, String> {
        let text = format!("image,score,x,y,width,height\n{rows}");
        Predictions::parse(text.as_bytes()).map_err(|(line, wrong)| format!("line {line}: {wrong}"))
    }

    #[test]
    fn boxes_are_read_by_their_columns_and_a_picture_may_have_several() {
        let found = parsed("a/b.png,0.5,1,2,3,4\nc.png, 1, -3.5, 0, 10, 20\na/b.png,0.25,5,6,7,8\n").unwrap();
        let first = Predicted {
            bounds: [1.0, 2.0, 4.0, 6.0],
            score: 0.5,
        };
        assert_eq!((found.of("a/b.png")[0], found.of("a/b.png").len()), (first, 2));
        assert_eq!(found.of("c.png")[0].bounds, [-3.5, 0.0, 6.5, 20.0]);
        assert!(found.of("b.png").is_empty());
    }

    #[test]
    fn bad_rows_are_refused_with_their_place() {
        for (rows, expected) in [
            ("a.png,0.5,1,2,x,4\n", "line 2: 'x' is no number (width)"),
            (
                "a.png,0.5,1,2,3,4\na.png,NaN,1,2,3,4\n",
                "line 3: 'NaN' is no number (score)",
            ),
            ("a.png,1.5,1,2,3,4\n", "line 2: score is '1.5', expected 0 to 1"),
            ("a.png,0.5,1,2,0,4\n", "line 2: box [1.0, 2.0, 1.0, 6.0]"),
            (",0.5,1,2,3,4\n", "line 2: no 'image'"),
            ("a.png,0.5,1,2,3\n", "line 2: CSV error"),
        ] {
            let told = parsed(rows).unwrap_err();
            assert!(told.contains(expected), "{rows}: {told}");
        }
        let (line, wrong) = Predictions::parse("image,x,y,w,h,score\n".as_bytes()).unwrap_err();
        assert_eq!((line, wrong), (1, Wrong::Lacks("width")));
    }
}
