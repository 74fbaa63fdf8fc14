//! Reads faces of which nobody says anything: tables with pixels, pictures, and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use inference::picture::Picture;
use shared_model::image::GrayView;

use super::folder::square;
use super::left_out::{LeftOut, is_picture};
use super::pixels::{self, Form};
use super::table::{RowFault, Table};
use super::{BadRow, BadRows, DataError, Fault, Skipped};

const EXPECTED: &str = "pixels, or Image as in Kaggle's test.csv, and optionally ImageId";

/// One square grey face of which no label is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// The file that it is in.
    pub file: PathBuf,
    /// Its data row there, from 1; 1 for a picture.
    pub row: u64,
    /// What the column `ImageId` says.
    pub id: Option<String>,
    /// What is known to be on it.
    pub truth: Option<String>,
    /// Width and height in pixels, at least 1.
    pub side: usize,
    /// `side * side` pixels, row by row.
    pub pixels: Vec<u8>,
}

impl Face {
    /// As a picture.
    ///
    /// # Panics
    /// If side and pixels do not belong together.
    pub fn view(&self) -> GrayView<'_> {
        match GrayView::new(&self.pixels, self.side, self.side) {
            Ok(view) => view,
            Err(_) => unreachable!("a face has side * side pixels"),
        }
    }
}

/// Reads a table, a picture, or all pictures in a folder and the folders in it.
pub fn read(path: &Path, bad_rows: BadRows) -> Result<(Vec<Face>, Skipped), DataError> {
    let (faces, skipped) = if path.is_dir() {
        let (mut files, mut left_out) = (Vec::new(), LeftOut::default());
        find_pictures(path, path, &mut files, &mut left_out)?;
        let (faces, mut skipped) = read_pictures(&files, bad_rows)?;
        skipped.doubts.extend(left_out.told());
        (faces, skipped)
    } else if is_picture(path) {
        read_pictures(&[path.to_owned()], bad_rows)?
    } else {
        read_table(path, bad_rows)?
    };
    if faces.is_empty() {
        return Err(DataError::Empty {
            path: path.to_owned(),
            skipped: skipped.rows.len(),
            outside: 0,
        });
    }
    Ok((faces, skipped))
}

fn find_pictures(dir: &Path, top: &Path, files: &mut Vec<PathBuf>, left_out: &mut LeftOut) -> Result<(), DataError> {
    let open = |source| DataError::Open {
        path: dir.to_owned(),
        source,
    };
    let entries = fs::read_dir(dir).map_err(open)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(open)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            find_pictures(&path, top, files, left_out)?;
        } else if left_out.takes(&path, top) {
            files.push(path);
        }
    }
    Ok(())
}

fn read_pictures(files: &[PathBuf], bad_rows: BadRows) -> Result<(Vec<Face>, Skipped), DataError> {
    let (mut faces, mut skipped) = (Vec::new(), Skipped::default());
    for (path, row) in files.iter().zip(1..) {
        match (square(path), bad_rows) {
            (Ok(picture), _) => faces.extend(of_picture(path, &picture)),
            (Err(fault), BadRows::Refuse) => {
                let path = path.clone();
                return Err(DataError::Picture { path, fault });
            }
            (Err(fault), BadRows::Skip) => skipped.rows.push(BadRow {
                row,
                line: row,
                column: path.display().to_string(),
                fault,
            }),
        }
    }
    Ok((faces, skipped))
}

fn of_picture(path: &Path, picture: &Picture) -> Option<Face> {
    let gray = picture.gray().ok()?;
    let rows = (0..gray.height()).flat_map(|y| gray.row(y).to_vec());
    Some(Face {
        file: path.to_owned(),
        row: 1,
        id: None,
        truth: None,
        side: gray.width(),
        pixels: rows.collect(),
    })
}

fn read_table(path: &Path, bad_rows: BadRows) -> Result<(Vec<Face>, Skipped), DataError> {
    let mut table = Table::open(path, bad_rows, EXPECTED)?;
    let pixels = match table.optional_column("Image")? {
        Some(column) => column,
        None => table.column("pixels")?,
    };
    let id = table.optional_column("ImageId")?;
    let mut faces = Vec::new();
    let mut record = ByteRecord::new();
    while table.next(&mut record)? {
        match of_row(&record, pixels) {
            Ok((side, pixels)) => faces.push(Face {
                file: path.to_owned(),
                row: table.row(),
                id: id.map(|at| String::from_utf8_lossy(record[at].trim_ascii()).into_owned()),
                truth: None,
                side,
                pixels,
            }),
            Err(fault) => table.bad(&record, fault)?,
        }
    }
    let skipped = Skipped {
        rows: table.into_skipped(),
        ..Skipped::default()
    };
    Ok((faces, skipped))
}

fn of_row(record: &ByteRecord, column: usize) -> Result<(usize, Vec<u8>), RowFault> {
    let fault = |fault: Fault| ("pixels".to_owned(), fault);
    let cell = &record[column];
    let mut out = Vec::new();
    let found = pixels::read(cell, Form::of(cell).unwrap_or(Form::Plain), &mut out).map_err(fault)?;
    let side = pixels::side_of(found).ok_or_else(|| {
        let expected = pixels::SQUARES.to_owned();
        fault(Fault::PixelCount { found, expected })
    })?;
    Ok((side, out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::left_out::{LITTER, litter};

    fn numbers(shade: u8, side: usize) -> String {
        vec![shade.to_string(); side * side].join(" ")
    }

    #[test]
    fn tables_without_labels_are_read_row_by_row_whatever_the_side() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.csv");
        let rows = [(1, 7, 96), (2, 8, 30)].map(|(id, shade, side)| format!("{id},{}\n", numbers(shade, side)));
        fs::write(&path, format!("ImageId,Image\n{}3,1 2\n", rows.concat())).unwrap();
        let refused = read(&path, BadRows::Refuse).unwrap_err().to_string();
        assert!(
            refused.contains("row 3 (line 4)") && refused.contains("2 pixels"),
            "{refused}"
        );
        let (faces, skipped) = read(&path, BadRows::Skip).unwrap();
        assert_eq!(skipped.rows.len(), 1);
        let told: Vec<_> = faces
            .iter()
            .map(|face| (face.row, face.id.as_deref(), face.side))
            .collect();
        assert_eq!(told, [(1, Some("1"), 96), (2, Some("2"), 30)]);
        assert_eq!(faces[1].view().row(29)[29], 8);
    }

    #[test]
    fn what_is_no_picture_is_left_out_and_told_however_deep_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [b"P5 24 24 255\n".as_slice(), &[7; 24 * 24]].concat();
        litter(&folder.path().join("deep"), &bytes);
        let (faces, skipped) = read(folder.path(), BadRows::Refuse).unwrap();
        assert_eq!(faces.len(), 1);
        let told = skipped.doubts.join("\n");
        for part in LITTER.into_iter().chain(["5 files left out: deep/._a.pgm"]) {
            assert!(told.contains(part), "{told} does not speak of {part}");
        }
    }

    #[test]
    fn pictures_are_found_in_folders_of_folders() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("b/c");
        fs::create_dir_all(&deep).unwrap();
        for (path, side) in [(folder.path().join("a.pgm"), 24), (deep.join("d.pgm"), 40)] {
            let mut bytes = format!("P5 {side} {side} 255\n").into_bytes();
            bytes.extend(vec![9; side * side]);
            fs::write(path, bytes).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        let (faces, _) = read(folder.path(), BadRows::Refuse).unwrap();
        assert_eq!(faces.iter().map(|face| face.side).collect::<Vec<_>>(), [24, 40]);
        let (one, _) = read(&folder.path().join("a.pgm"), BadRows::Refuse).unwrap();
        assert_eq!(one[..], faces[..1]);
    }
}
