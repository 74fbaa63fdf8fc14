//! The columns of the shared set: one row a box, or one row of kind `none` for a picture without a face.

use std::io::{BufReader, Read};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use ruzstd::decoding::StreamingDecoder;

use super::error::{checked, near, number};
use super::{Annotated, Annotations, Face, Kind, SetError, Wrong};
use crate::data::bounded::Bounded;

const COLUMNS: [&str; 10] = [
    "image", "source", "split", "width", "height", "kind", "x", "y", "w", "h",
];
const POINTS: [&str; 10] = [
    "eye1_x", "eye1_y", "eye2_x", "eye2_y", "nose_x", "nose_y", "mouth1_x", "mouth1_y", "mouth2_x", "mouth2_y",
];

/// Indices of the columns.
struct Columns {
    known: [usize; COLUMNS.len()],
    points: Option<[usize; POINTS.len()]>,
}

pub(super) fn read(path: &Path) -> Result<Annotations, SetError> {
    let failed = |source| SetError::Read {
        path: path.to_owned(),
        source,
    };
    let file = BufReader::new(durable::open_regular(path).map_err(failed)?);
    let source: Box<dyn Read> = if path.extension().is_some_and(|end| end == "zst") {
        let decoder = StreamingDecoder::new(file).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        Box::new(decoder)
    } else {
        Box::new(file)
    };
    parse(path, source)
}

fn parse(path: &Path, source: impl Read) -> Result<Annotations, SetError> {
    let row_error = |line, wrong| SetError::Row {
        path: path.to_owned(),
        line,
        wrong,
    };
    let broken = |error: &csv::Error| {
        row_error(
            error.position().map_or(0, csv::Position::line),
            Wrong::Broken(error.to_string()),
        )
    };
    let (source, row) = Bounded::new(source);
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(source);
    let header = reader.headers().map_err(|error| broken(&error))?.clone();
    let columns = Columns::find(&header).map_err(|wrong| row_error(1, wrong))?;
    let mut found = Annotations::new();
    let mut record = StringRecord::new();
    loop {
        row.begin();
        if !reader.read_record(&mut record).map_err(|error| broken(&error))? {
            return Ok(found);
        }
        let line = record.position().map_or(0, csv::Position::line);
        take(&mut found, &columns, &record).map_err(|wrong| row_error(line, wrong))?;
    }
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, Wrong> {
        let find = |name: &'static str| {
            header
                .iter()
                .position(|column| column == name)
                .ok_or(Wrong::Lacks(name))
        };
        let mut known = [0; COLUMNS.len()];
        for (at, name) in known.iter_mut().zip(COLUMNS) {
            *at = find(name)?;
        }
        let mut points = [0; POINTS.len()];
        let all = points
            .iter_mut()
            .zip(POINTS)
            .try_for_each(|(at, name)| find(name).map(|found| *at = found));
        Ok(Self {
            known,
            points: all.is_ok().then_some(points),
        })
    }
}

/// Takes one row in.
fn take(found: &mut Annotations, columns: &Columns, record: &StringRecord) -> Result<(), Wrong> {
    let [image, source, split, width, height, kind, x, y, w, h] =
        columns.known.map(|at| record.get(at).unwrap_or_default());
    let held = match split {
        "train" => false,
        "held" => true,
        text => {
            return Err(Wrong::Word {
                field: "split",
                text: text.to_owned(),
                expected: "train or held",
            });
        }
    };
    if image.is_empty() {
        return Err(Wrong::Lacks("image"));
    }
    let size = Some([number("width", width)?, number("height", height)?]);
    let row = Annotated {
        source: source.to_owned(),
        held,
        size,
        faces: Vec::new(),
    };
    let first = !found.contains_key(image);
    let entry = found.entry(image.to_owned()).or_insert_with(|| row.clone());
    let same = (entry.source == row.source, entry.held, entry.size) == (true, held, size);
    if !same || (kind == "none" && !first) {
        return Err(Wrong::Contradiction(image.to_owned()));
    }
    let kind = match kind {
        "none" => return Ok(()),
        "hand" | "teacher" => Kind::Face,
        "ignore" => Kind::Ignore,
        text => {
            let expected = "hand, teacher, ignore or none";
            return Err(Wrong::Word {
                field: "kind",
                text: text.to_owned(),
                expected,
            });
        }
    };
    let [x, y, w, h] = [number("x", x)?, number("y", y)?, number("w", w)?, number("h", h)?];
    let bounds = checked([x, y, x + w, y + h], size)?;
    entry.faces.push(Face {
        kind,
        bounds,
        points: points(columns, record)?,
    });
    Ok(())
}

/// All five points, or none where the first is empty.
fn points(columns: &Columns, record: &StringRecord) -> Result<Option<[[f32; 2]; 5]>, Wrong> {
    let Some(places) = columns.points else { return Ok(None) };
    if record.get(places[0]).is_none_or(str::is_empty) {
        return Ok(None);
    }
    let mut points = [[0.0; 2]; 5];
    for (at, place) in places.into_iter().enumerate() {
        points[at / 2][at % 2] = number(POINTS[at], record.get(place).unwrap_or_default())?;
    }
    for [x, y] in points {
        near([x, y, x, y])?;
    }
    Ok(Some(points))
}
