//! The data sets beside the project, whole, in the forms that users bring.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::faces::{numbers, pixels, write_keypoints};

/// FER2013's classes, by their numbers.
const CLASSES: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
/// Columns of FER+'s votes, as the set names them.
const VOTES: [&str; 10] = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
];
/// Side of a press photograph in pixels.
const PRESS_SIDE: usize = 64;

/// Faces with emotions.
pub(crate) struct Emotions {
    /// FER2013 in its own columns.
    pub(crate) fer2013: PathBuf,
    /// FER+'s votes, row by row beside it.
    pub(crate) votes: PathBuf,
    /// Press photographs, in a folder for each class.
    pub(crate) press: PathBuf,
}

/// A table, row by row; cells are found by the names of their columns.
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect());
        Self {
            header: rows.next().unwrap(),
            rows: rows.collect(),
        }
    }

    fn column(&self, name: &str) -> usize {
        self.header.iter().position(|own| own == name).unwrap()
    }
}

/// Writes the emotions into `folder`.
pub(crate) fn emotions(data: &Path, folder: &Path) -> Emotions {
    let emotions = Emotions {
        fer2013: folder.join("fer2013.csv"),
        votes: folder.join("fer2013new.csv"),
        press: folder.join("press"),
    };
    write_fer2013(data, &emotions);
    write_press(data, &emotions.press);
    emotions
}

/// Writes the keypoints into `folder`.
pub(crate) fn keypoints(data: &Path, folder: &Path) -> PathBuf {
    let path = folder.join("training.csv");
    write_keypoints(data, &path, usize::MAX);
    path
}

fn write_fer2013(data: &Path, to: &Emotions) {
    let table = Table::read(&data.join("fer2013_public_index.csv"));
    let (label, usage) = (table.column("emotion7"), table.column("usage"));
    let voted = VOTES.map(|vote| table.column(&format!("ferplus_{vote}")));
    let mut faces = BufWriter::new(File::create(&to.fer2013).unwrap());
    let mut votes = BufWriter::new(File::create(&to.votes).unwrap());
    writeln!(faces, "emotion,pixels,Usage").unwrap();
    writeln!(votes, "Usage,Image name,{}", VOTES.join(",")).unwrap();
    let pictures = pixels(&data.join("fer2013_public.u8.zst"), 48 * 48);
    for (at, (row, pixels)) in table.rows.iter().zip(pictures).enumerate() {
        writeln!(faces, "{},{},{}", row[label], numbers(&pixels), row[usage]).unwrap();
        let counts = voted.map(|column| row[column].as_str());
        writeln!(votes, "{},fer{at:07}.png,{}", row[usage], counts.join(",")).unwrap();
    }
    faces.flush().unwrap();
    votes.flush().unwrap();
}

pub(crate) fn write_press(data: &Path, press: &Path) {
    for class in CLASSES {
        fs::create_dir_all(press.join(class)).unwrap();
    }
    let table = Table::read(&data.join("press_public.csv"));
    let (label, person) = (table.column("emotion7"), table.column("person"));
    let pictures = pixels(&data.join("press_public.u8.zst"), PRESS_SIDE * PRESS_SIDE);
    for (at, (row, pixels)) in table.rows.iter().zip(pictures).enumerate() {
        let class = CLASSES[row[label].parse::<usize>().unwrap()];
        let mut picture = format!("P5 {PRESS_SIDE} {PRESS_SIDE} 255\n").into_bytes();
        picture.extend_from_slice(&pixels);
        fs::write(press.join(class).join(format!("{}_{at:05}.pgm", row[person])), picture).unwrap();
    }
}
