//! WIDER FACE's own list: for each picture its path, the number of boxes, and a line a box:
//! `x y w h blur expression illumination invalid occlusion pose`.
//!
//! A box that is `invalid`, or so small that nobody sees a face in it, takes no part.

use std::path::Path;

use super::error::{near, number};
use super::{Annotated, Annotations, Face, Kind, SetError, Wrong, held};
use crate::files;

/// Fields of a line that are read; the last of them is `invalid`.
const FIELDS: usize = 8;

pub(super) fn read(path: &Path) -> Result<Annotations, SetError> {
    let text = files::read_text(path).map_err(|source| SetError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let mut found = Annotations::new();
    while let Some((name, line)) = lines.next() {
        let row_error = |line, wrong| SetError::Row {
            path: path.to_owned(),
            line,
            wrong,
        };
        let name = name.trim();
        let (count, at) = lines
            .next()
            .ok_or_else(|| row_error(line, Wrong::Lacks("number of boxes")))?;
        let count: usize = count.trim().parse().map_err(|_| {
            row_error(
                at,
                Wrong::Number {
                    field: "number of boxes".to_owned(),
                    text: count.to_owned(),
                },
            )
        })?;
        let mut faces = Vec::new();
        // A picture without a box has a line of zeros nevertheless.
        for _ in 0..count.max(1) {
            let Some((row, at)) = lines.next() else {
                return Err(row_error(
                    line,
                    Wrong::Broken(format!("'{name}' should have {count} boxes")),
                ));
            };
            if count > 0 {
                faces.push(face(row).map_err(|wrong| row_error(at, wrong))?);
            }
        }
        let entry = Annotated {
            source: "wider-own".to_owned(),
            held: held("wider", name),
            size: None,
            faces,
        };
        if found.insert(name.to_owned(), entry).is_some() {
            return Err(row_error(line, Wrong::Contradiction(name.to_owned())));
        }
    }
    Ok(found)
}

fn face(row: &str) -> Result<Face, Wrong> {
    let mut values = [0.0; FIELDS];
    let mut fields = row.split_whitespace();
    for value in &mut values {
        *value = number(
            "box",
            fields
                .next()
                .ok_or(Wrong::Lacks("x y w h blur expression illumination invalid"))?,
        )?;
    }
    let [x, y, w, h, .., invalid] = values;
    // The list holds boxes without an area, all of them marked or negligible: they take no part.
    let seen = w > 0.0 && h > 0.0 && invalid == 0.0;
    let kind = if seen { Kind::Face } else { Kind::Ignore };
    Ok(Face {
        kind,
        bounds: near([x, y, x + w.max(1.0), y + h.max(1.0)])?,
        points: None,
    })
}
