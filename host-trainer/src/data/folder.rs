//! Reads faces from a folder for each class: `DIR/happy/anna_1.png`.
//!
//! Folders are classes by name, letter case and common other names aside (`happiness`, `anger`, ...). Pictures
//! are PNG, JPEG or PNM, square and at least [`LEAST_SIDE`] pixels wide; colours become grey. A file name
//! without the number at its end names the person (`anna_1.png` and `anna_2.png` are both of `anna`), by whom
//! the set is divided; exact copies count as one person's.
//!
//! Files are read in the order of their paths, and the row of a face is the number of its file in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use inference::picture::Picture;
use shared_model::emotion::ClassSet;
use shared_model::image::CropRule;

use super::faces::Framed;
use super::left_out::LeftOut;
use super::{BadRow, BadRows, DataError, EmotionData, Faces, Fault, Skipped};

pub use super::labels::class_of;

/// Smallest side of a picture in pixels.
pub const LEAST_SIDE: usize = super::pixels::LEAST_SIDE;

/// Beginnings of file names that name no person: parts of FER2013, and what cameras and programs call pictures.
const NOBODY: [&str; 18] = [
    "training",
    "publictest",
    "privatetest",
    "train",
    "validation",
    "val",
    "test",
    "image",
    "img",
    "im",
    "picture",
    "pic",
    "photo",
    "face",
    "frame",
    "crop",
    "dsc",
    "screenshot",
];

/// Who is on a picture: the file's name without its ending and without the number at its end.
///
/// A name that is nothing but a number names a person of its own, and so does one that begins with what names nobody
/// (`Training_3908.jpg` of FER2013, `img_7.jpg`), or with the class that `folder` is called after.
pub fn person_of<'a>(file: &'a str, folder: &str) -> &'a str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    match stem.rsplit_once(['_', '-']) {
        Some((person, number))
            if !person.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && NOBODY
                    .iter()
                    .chain(&[folder])
                    .all(|word| !word.eq_ignore_ascii_case(person)) =>
        {
            person
        }
        _ => stem,
    }
}

/// Reads the pictures whose folder is a class of the set; `frame` says which part of each is the face.
pub fn read(
    dir: &Path,
    classes: &ClassSet,
    frame: &CropRule,
    bad_rows: BadRows,
) -> Result<(EmotionData, Skipped), DataError> {
    let mut reader = Reader::default();
    let mut skipped = Skipped::default();
    let mut files = 0;
    let (pictures, left_out) = find(dir)?;
    skipped.doubts.extend(left_out);
    for ((path, folder, file), row) in pictures.into_iter().zip(1..) {
        files = row;
        let Some(class) = class_of(&folder, classes) else {
            skipped.outside_classes += 1;
            continue;
        };
        match (
            reader.add(&path, person_of(&file, &folder), class, row, frame),
            bad_rows,
        ) {
            (Ok(()), _) => {}
            (Err(fault), BadRows::Refuse) => return Err(DataError::Picture { path, fault }),
            (Err(fault), BadRows::Skip) => skipped.rows.push(BadRow {
                row,
                line: row,
                column: format!("{folder}/{file}"),
                fault,
            }),
        }
    }
    if reader.labels.is_empty()
        && let Some(inner) = with_classes(dir, classes)?
    {
        return Err(DataError::Outer {
            path: dir.to_owned(),
            inner,
        });
    }
    if reader.labels.is_empty() {
        return Err(DataError::Empty {
            path: dir.to_owned(),
            skipped: skipped.rows.len(),
            outside: skipped.outside_classes,
        });
    }
    Ok((reader.finish(classes, files), skipped))
}

/// A picture: path, folder, name.
type Found = (PathBuf, String, String);

/// The pictures in the folders of a directory, in the order of their paths: path, folder, name. What is left out is told.
pub fn pictures(dir: &Path) -> Result<Vec<Found>, DataError> {
    let (found, left_out) = find(dir)?;
    if let Some(left_out) = left_out {
        tracing::warn!(about = left_out, "{}: {left_out}", dir.display());
    }
    Ok(found)
}

/// The pictures, and what else lies there, in a line.
fn find(dir: &Path) -> Result<(Vec<Found>, Option<String>), DataError> {
    let (mut found, mut left_out) = (Vec::new(), LeftOut::default());
    for (folder, name) in entries(dir)? {
        if !folder.is_dir() {
            left_out.leave(&folder, dir);
            continue;
        }
        let files = entries(&folder)?.into_iter();
        let files = files.filter(|(path, _)| left_out.takes(path, dir));
        found.extend(files.map(|(path, file)| (path, name.clone(), file)));
    }
    Ok((found, left_out.told()))
}

/// Folders of a directory in which folders are called like classes, as `train` and `test` often are.
fn with_classes(dir: &Path, classes: &ClassSet) -> Result<Option<String>, DataError> {
    let mut found = Vec::new();
    for (folder, name) in entries(dir)?.into_iter().filter(|(path, _)| path.is_dir()) {
        if entries(&folder)?
            .iter()
            .any(|(_, name)| class_of(name, classes).is_some())
        {
            found.push(name);
        }
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

/// What lies in a directory, with names, in the order of the names.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let open = |source| DataError::Open {
        path: dir.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(open)? {
        let entry = entry.map_err(open)?;
        found.push((entry.path(), entry.file_name().to_string_lossy().into_owned()));
    }
    found.sort();
    Ok(found)
}

/// Most bytes of the file of a picture.
const MAX_PICTURE: u64 = 256 << 20;

/// A picture that can be a face: a square that is not too small.
pub(super) fn square(path: &Path) -> Result<Picture, Fault> {
    let bytes = durable::read_whole(path, MAX_PICTURE).map_err(|error| Fault::Picture(error.to_string()))?;
    let picture = Picture::decode(&bytes).map_err(|error| Fault::Picture(error.to_string()))?;
    let (width, height) = (picture.width(), picture.height());
    if width != height || width < LEAST_SIDE {
        return Err(Fault::PictureSize { width, height });
    }
    Ok(picture)
}

#[derive(Default)]
struct Reader {
    framed: Framed,
    labels: Vec<u8>,
    persons: Vec<String>,
    rows: Vec<u64>,
}

impl Reader {
    fn add(&mut self, path: &Path, person: &str, class: u8, row: u64, frame: &CropRule) -> Result<(), Fault> {
        let picture = square(path)?;
        let gray = picture.gray().map_err(|error| Fault::Picture(error.to_string()))?;
        self.framed.push(gray, frame);
        self.labels.push(class);
        self.persons.push(person.to_owned());
        self.rows.push(row);
        Ok(())
    }

    fn finish(self, classes: &ClassSet, files: u64) -> EmotionData {
        let faces = self.framed.finish();
        EmotionData {
            classes: classes.clone(),
            groups: groups(&faces, &self.persons),
            faces,
            labelled: vec![true; self.labels.len()],
            labels: self.labels,
            votes: None,
            sets: vec![0],
            usage: None,
            rows: self.rows,
            csv_rows: files,
        }
    }
}

/// Numbers of persons, counted from 0 in order of appearance; whoever shares an exact copy is one.
fn groups(faces: &Faces, persons: &[String]) -> Vec<u32> {
    let mut of_person: HashMap<&str, usize> = HashMap::new();
    let mut of_copy: HashMap<_, usize> = HashMap::new();
    // Each row points to an earlier one of its group, or to itself.
    let mut earlier: Vec<usize> = (0..persons.len()).collect();
    for (row, person) in persons.iter().enumerate() {
        for first in [
            *of_person.entry(person).or_insert(row),
            *of_copy.entry(faces.digest(row)).or_insert(row),
        ] {
            let (a, b) = (root(&earlier, row), root(&earlier, first));
            earlier[a.max(b)] = a.min(b);
        }
    }
    let mut numbers = HashMap::new();
    (0..persons.len())
        .map(|row| {
            let next = numbers.len() as u32;
            *numbers.entry(root(&earlier, row)).or_insert(next)
        })
        .collect()
}

fn root(earlier: &[usize], mut row: usize) -> usize {
    while earlier[row] != row {
        row = earlier[row];
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::left_out::{LITTER, litter};

    fn classes() -> ClassSet {
        ClassSet::new(&["Angry", "Happy", "Neutral"]).unwrap()
    }

    /// A grey picture of `width` x `height` pixels of one shade.
    fn picture(dir: &Path, name: &str, [width, height]: [usize; 2], shade: u8) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = format!("P5 {width} {height} 255\n").into_bytes();
        bytes.extend(vec![shade; width * height]);
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn folders_are_classes_by_name_or_alias() {
        for (folder, class) in [("happy", 1), ("Happiness", 1), ("anger", 0), ("NEUTRAL", 2)] {
            assert_eq!(class_of(folder, &classes()), Some(class), "{folder}");
        }
        assert_eq!(class_of("fear", &classes()), None);
    }

    #[test]
    fn a_person_is_a_file_name_without_its_number() {
        for (file, person) in [
            ("anna_00012.pgm", "anna"),
            ("anna-b_3.png", "anna-b"),
            ("12_00001.pgm", "12"),
            ("anna.png", "anna"),
            ("007.png", "007"),
            ("_7.png", "_7"),
            ("Training_3908.jpg", "Training_3908"),
            ("happy_12.jpg", "happy_12"),
        ] {
            assert_eq!(person_of(file, "happy"), person, "{file}");
        }
    }

    #[test]
    fn pictures_of_all_sizes_become_faces_of_the_networks_side() {
        let dir = tempfile::tempdir().unwrap();
        picture(dir.path(), "happy/anna_1.pgm", [64, 64], 10);
        picture(dir.path(), "happy/anna_2.pgm", [24, 24], 20);
        picture(dir.path(), "angry/ben_1.pgm", [200, 200], 30);
        picture(dir.path(), "fear/anna_3.pgm", [64, 64], 40);
        fs::write(dir.path().join("happy/notes.txt"), "").unwrap();
        let (data, skipped) = read(dir.path(), &classes(), &CropRule::IDENTITY, BadRows::Refuse).unwrap();
        assert_eq!((data.faces.side(), data.labels), (96, vec![0, 1, 1]));
        assert_eq!([0, 1, 2].map(|row| data.faces.pixels(row)[500]), [30, 10, 20]);
        assert_eq!((data.groups, data.rows), (vec![0, 1, 1], vec![1, 3, 4]));
        assert_eq!((skipped.outside_classes, data.csv_rows), (1, 4));
    }

    #[test]
    fn what_is_no_picture_is_left_out_and_told_and_so_is_a_picture_in_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = [b"P5 24 24 255\n".as_slice(), &[7; 24 * 24]].concat();
        litter(&dir.path().join("happy"), &bytes);
        fs::write(dir.path().join("loose.pgm"), &bytes).unwrap();
        let (data, skipped) = read(dir.path(), &classes(), &CropRule::IDENTITY, BadRows::Refuse).unwrap();
        assert_eq!((data.labels, data.csv_rows), (vec![1], 1));
        let told = skipped.doubts.join("\n");
        for part in LITTER
            .into_iter()
            .chain(["7 files left out", "loose.pgm (in no folder)"])
        {
            assert!(told.contains(part), "{told} does not speak of {part}");
        }
    }

    #[test]
    fn folders_of_folders_are_named() {
        let dir = tempfile::tempdir().unwrap();
        picture(dir.path(), "train/happy/a.pgm", [24, 24], 10);
        picture(dir.path(), "test/angry/b.pgm", [24, 24], 20);
        let refused = read(dir.path(), &classes(), &CropRule::IDENTITY, BadRows::Refuse).unwrap_err();
        assert!(refused.to_string().contains("in its folders test, train"), "{refused}");
        let (data, _) = read(
            &dir.path().join("train"),
            &classes(),
            &CropRule::IDENTITY,
            BadRows::Refuse,
        )
        .unwrap();
        assert_eq!(data.labels, [1]);
    }

    #[test]
    fn persons_with_a_common_picture_are_one_group() {
        let dir = tempfile::tempdir().unwrap();
        for (name, shade) in [("a_1", 1), ("b_1", 2), ("b_2", 1), ("c_1", 3), ("d_1", 3)] {
            picture(dir.path(), &format!("happy/{name}.pgm"), [24, 24], shade);
        }
        let (data, _) = read(dir.path(), &classes(), &CropRule::IDENTITY, BadRows::Refuse).unwrap();
        assert_eq!(data.groups, [0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_picture_that_is_no_square_or_too_small_is_refused_or_left_out() {
        let dir = tempfile::tempdir().unwrap();
        picture(dir.path(), "happy/a_1.pgm", [24, 24], 1);
        picture(dir.path(), "happy/b_1.pgm", [24, 25], 1);
        picture(dir.path(), "happy/c_1.pgm", [23, 23], 1);
        fs::write(dir.path().join("happy/d_1.pgm"), "P5 9").unwrap();
        let error = read(dir.path(), &classes(), &CropRule::IDENTITY, BadRows::Refuse)
            .unwrap_err()
            .to_string();
        assert!(error.contains("b_1.pgm") && error.contains("24 x 25"), "{error}");
        let (data, skipped) = read(dir.path(), &classes(), &CropRule::IDENTITY, BadRows::Skip).unwrap();
        assert_eq!((data.rows, skipped.rows.len()), (vec![1], 3));
    }
}
