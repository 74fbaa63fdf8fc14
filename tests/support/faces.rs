//! Labelled faces in the Kaggle layouts.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use inference::picture::Picture;
use shared_model::image::{CropRule, GrayView, sample};
use shared_model::keypoints::{COUNT, NAMES};
use vision::face::{Detector, DetectorConfig};

use super::programs::{metadata, root};

/// Faces in each file.
const FACES: usize = 48;
/// FER2013's numbers of Angry, Disgust, Happy, Sad, Surprise.
const LABELS: [u8; 5] = [0, 1, 3, 4, 5];

/// A keypoint and an emotion file of a few faces.
pub(crate) struct Csv {
    pub(crate) keypoints: PathBuf,
    pub(crate) emotion: PathBuf,
}

/// The data beside the project, if it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = root().join("../shared/data");
    folder.is_dir().then_some(folder)
}

/// Writes both files into `folder`.
pub(crate) fn write(folder: &Path) -> Csv {
    let csv = Csv {
        keypoints: folder.join("training.csv"),
        emotion: folder.join("fer2013.csv"),
    };
    if let Some(data) = shared() {
        write_shared(&data, &csv);
    } else {
        testing::skip_faces(
            "real faces: there is no ../shared/data; faces of the group photograph with invented labels take their place",
        );
        write_photograph(&csv);
    }
    csv
}

/// The first faces of the data sets beside the project, as they are labelled.
fn write_shared(data: &Path, csv: &Csv) {
    write_keypoints(data, &csv.keypoints, FACES);
    let index = fs::read_to_string(data.join("fer2013_public_index.csv")).unwrap();
    let mut text = String::from("emotion,pixels\n");
    let mut rows = [0; LABELS.len()];
    for (line, pixels) in index
        .lines()
        .skip(1)
        .zip(pixels(&data.join("fer2013_public.u8.zst"), 48 * 48))
    {
        let label: u8 = line.split(',').nth(2).unwrap().parse().unwrap();
        // Some of each class, or its training is refused.
        let class = LABELS.iter().position(|own| *own == label);
        if let Some(class) = class.filter(|class| rows[*class] < FACES.div_ceil(LABELS.len())) {
            writeln!(text, "{label},{}", numbers(&pixels)).unwrap();
            rows[class] += 1;
        }
        if rows.iter().sum::<usize>() == FACES {
            break;
        }
    }
    fs::write(&csv.emotion, text).unwrap();
}

/// The first rows of the keypoint set beside the project, at most so many.
pub(crate) fn write_keypoints(data: &Path, path: &Path, most: usize) {
    let index = fs::read_to_string(data.join("kp15_ytf_public.csv")).unwrap();
    let mut lines = index.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let columns: Vec<usize> = (0..header.len())
        .filter(|at| header[*at].ends_with("_x") || header[*at].ends_with("_y"))
        .collect();
    let person = header.iter().position(|name| *name == "person").unwrap();
    let names: Vec<&str> = columns.iter().map(|at| header[*at]).collect();
    let mut text = format!("{},Image,Group\n", names.join(","));
    let pictures = pixels(&data.join("kp15_ytf_public.u8.zst"), 96 * 96);
    for (line, pixels) in lines.zip(pictures).take(most) {
        let cells: Vec<&str> = line.split(',').collect();
        let points: Vec<&str> = columns.iter().map(|at| cells[*at]).collect();
        writeln!(text, "{},{},{}", points.join(","), numbers(&pixels), cells[person]).unwrap();
    }
    fs::write(path, text).unwrap();
}

/// Pictures of a packed file, one after the other.
pub(crate) fn pixels(path: &Path, size: usize) -> impl Iterator<Item = Vec<u8>> + use<> {
    let file = fs::File::open(path).unwrap();
    let mut stream = ruzstd::decoding::StreamingDecoder::new(file).unwrap();
    std::iter::from_fn(move || {
        let mut picture = vec![0; size];
        stream.read_exact(&mut picture).ok().map(|()| picture)
    })
}

/// Each face of the emotion file as a picture in its class's folder, for the classes named.
pub(crate) fn folders(csv: &Path, folder: &Path, classes: &[(&str, &str)]) {
    let text = fs::read_to_string(csv).unwrap();
    for (row, line) in text.lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let Some((_, class)) = classes.iter().find(|(label, _)| *label == cells[0]) else {
            continue;
        };
        let pixels: Vec<u8> = cells[1].split(' ').map(|value| value.parse().unwrap()).collect();
        let side = (pixels.len() as f64).sqrt() as u32;
        let place = folder.join(class);
        fs::create_dir_all(&place).unwrap();
        let picture = image::GrayImage::from_raw(side, side, pixels).unwrap();
        picture.save(place.join(format!("p{row}_1.png"))).unwrap();
    }
}

/// The group photograph inside the face detector's package: 29 faces.
pub(crate) fn photograph() -> PathBuf {
    let metadata = metadata();
    let package = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["name"] == "rustface")
        .unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("test.png")
}

/// The first faces that are found on the photograph, each a square of this side that is so many times as wide as the detector's box.
pub(crate) fn people(side: usize, scale: f32) -> Vec<Vec<u8>> {
    let picture = Picture::decode(&fs::read(photograph()).unwrap()).unwrap();
    let mut detector = Detector::new(DetectorConfig {
        min_face_px: 20.0,
        ..DetectorConfig::default()
    })
    .unwrap();
    let view = picture.gray().unwrap();
    let faces = detector.detect(view).into_iter().take(FACES / 2);
    faces.map(|face| cut(view, &face.bounds, side, scale)).collect()
}

/// Faces cut out of the photograph, each also mirrored; labels and points are invented.
fn write_photograph(csv: &Csv) {
    let columns: Vec<String> = NAMES
        .iter()
        .flat_map(|name| [format!("{name}_x"), format!("{name}_y")])
        .collect();
    let mut keypoints = format!("{},Image,Group\n", columns.join(","));
    let mut emotion = String::from("emotion,pixels\n");
    for (at, cut) in people(96, 1.2).into_iter().enumerate() {
        let points: Vec<String> = (0..COUNT)
            .flat_map(|p| {
                [
                    format!("{}", 30 + (p * 7 + at) % 40),
                    format!("{}", 30 + (p * 3 + at) % 40),
                ]
            })
            .collect();
        for mirrored in [cut.clone(), mirrored(&cut, 96)] {
            writeln!(keypoints, "{},{},{at}", points.join(","), numbers(&mirrored)).unwrap();
            writeln!(emotion, "{},{}", LABELS[at % 5], numbers(&mirrored)).unwrap();
        }
    }
    fs::write(&csv.keypoints, keypoints).unwrap();
    fs::write(&csv.emotion, emotion).unwrap();
}

fn cut(picture: GrayView<'_>, face: &shared_model::image::Rect, side: usize, scale: f32) -> Vec<u8> {
    let wider = CropRule {
        scale,
        dx: 0.0,
        dy: 0.0,
    }
    .apply(face);
    let mut values = vec![0.0; side * side];
    sample(picture, &wider, side, &mut values);
    values.iter().map(|value| (value * 255.0) as u8).collect()
}

fn mirrored(pixels: &[u8], side: usize) -> Vec<u8> {
    pixels
        .chunks_exact(side)
        .flat_map(|row| row.iter().rev().copied())
        .collect()
}

/// Pixels as the data sets write them.
pub(crate) fn numbers(pixels: &[u8]) -> String {
    static NUMBERS: LazyLock<Vec<String>> = LazyLock::new(|| (0..=u8::MAX).map(|value| value.to_string()).collect());
    let numbers: Vec<&str> = pixels
        .iter()
        .map(|value| NUMBERS[usize::from(*value)].as_str())
        .collect();
    numbers.join(" ")
}
