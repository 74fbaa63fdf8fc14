//! Whether faces that are turned upright first, by the eyes that the keypoint network finds, are told more truly.

use std::fs;

use host_trainer::data::emotion::{Outside, Reading, read_with};
use host_trainer::data::{BadRows, Usage, votes};
use inference::bundle::Bundle;
use inference::picture::Picture;
use inference::{Crops, Prediction, Predictor};
use shared_model::image::{GrayView, Rect};
use shared_model::keypoints::{Keypoints, LEFT_EYE, RIGHT_EYE};

use crate::people::{crops_of_face, portraits};
use crate::support::faces::shared;
use crate::support::programs::measured_bundle;
use crate::support::sets::emotions;

/// Heads that are turned by at least so many degrees are counted by themselves.
const TILTED_DEGREES: f32 = 10.0;

/// The angle of the line through the eyes in radians, positive where it falls to the picture's right.
fn tilt(keypoints: &Keypoints) -> f32 {
    let ([left_x, left_y], [right_x, right_y]) = (keypoints.0[LEFT_EYE], keypoints.0[RIGHT_EYE]);
    // The visitor's left eye is at the picture's right.
    (left_y - right_y).atan2(left_x - right_x)
}

/// The picture turned by `radians` around the middle of `face`; its edge is repeated outside.
fn turned(picture: GrayView<'_>, face: &Rect, radians: f32) -> Picture {
    let (sin, cos) = radians.sin_cos();
    let (cx, cy) = (face.x + face.w / 2.0 - 0.5, face.y + face.h / 2.0 - 0.5);
    let (width, height) = (picture.width(), picture.height());
    let at = |x: f32, y: f32| {
        let inside = |place: f32, length: usize| place.clamp(0.0, (length - 1) as f32);
        let (x, y) = (inside(x, width), inside(y, height));
        let (column, row) = (x as usize, y as usize);
        let (beside, below) = ((column + 1).min(width - 1), (row + 1).min(height - 1));
        let mix = |a: u8, b: u8, share: f32| f32::from(a) * (1.0 - share) + f32::from(b) * share;
        let line = |row: usize| mix(picture.row(row)[column], picture.row(row)[beside], x.fract());
        (line(row) * (1.0 - y.fract()) + line(below) * y.fract()).round() as u8
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x as f32 - cx, y as f32 - cy)));
    let pixels = places.map(|(x, y)| at(cx + cos * x - sin * y, cy + sin * x + cos * y));
    Picture::from_gray(pixels.collect(), width, height).unwrap()
}

/// Faces that were told their class, as they are and upright.
#[derive(Default)]
struct Right {
    faces: u32,
    as_they_are: u32,
    upright: u32,
}

impl Right {
    fn add(&mut self, as_it_is: bool, upright: bool) {
        self.faces += 1;
        self.as_they_are += u32::from(as_it_is);
        self.upright += u32::from(upright);
    }

    fn print(&self, name: &str) {
        let share = |count: u32| f64::from(count) / f64::from(self.faces);
        println!(
            "{name}: {} faces; as they are {:.3} ({}), upright {:.3} ({})",
            self.faces,
            share(self.as_they_are),
            self.as_they_are,
            share(self.upright),
            self.upright
        );
    }
}

/// What is said of the face as it is, what of it upright, and by how many degrees it is tilted.
fn both(predictor: &mut Predictor, picture: GrayView<'_>, crops: &Crops) -> (Prediction, Prediction, f32) {
    let as_it_is = predictor.predict(picture, crops).unwrap();
    let angle = tilt(&as_it_is.keypoints);
    let upright = turned(picture, &crops.emotion, angle);
    let upright = predictor.predict(upright.gray().unwrap(), crops).unwrap();
    (as_it_is, upright, angle.to_degrees().abs())
}

#[test]
fn a_face_that_is_turned_back_is_upright() {
    let pixels: Vec<u8> = (0..96 * 96).map(|at| if at / 96 < 48 { 10 } else { 200 }).collect();
    let picture = Picture::from_gray(pixels, 96, 96).unwrap();
    let face = picture.gray().unwrap().bounds();
    let there = turned(picture.gray().unwrap(), &face, 0.4);
    let back = turned(there.gray().unwrap(), &face, -0.4);
    let row = |picture: &Picture, y: usize| picture.gray().unwrap().row(y)[30..66].to_vec();
    assert_ne!(row(&there, 40), row(&picture, 40));
    for y in [20, 40, 55, 75] {
        assert_eq!(row(&back, y), row(&picture, y), "{y}");
    }
    let mut points = [[0.0; 2]; 15];
    (points[LEFT_EYE], points[RIGHT_EYE]) = ([70.0, 50.0], [30.0, 30.0]);
    assert!((tilt(&Keypoints(points)).to_degrees() - 26.565).abs() < 1e-3);
}

#[test]
#[ignore = "takes minutes: the figures in docs/src/performance.md; BUNDLE names another bundle"]
fn upright_faces_are_measured() {
    let Some(shared) = shared() else {
        testing::skip_faces("faces turned upright: there is no ../shared/data");
        return;
    };
    let bundle = Bundle::open(&measured_bundle()).unwrap();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let classes = &bundle.manifest().classes;

    let temporary = tempfile::tempdir().unwrap();
    let files = emotions(&shared, temporary.path());
    let reading = Reading {
        bad_rows: BadRows::Refuse,
        outside: Outside::Keep,
        labels: &[],
    };
    let (mut data, _) = read_with(&files.fer2013, classes, reading).unwrap();
    votes::attach(&mut data, &files.votes, BadRows::Refuse).unwrap();
    let (usage, votes) = (data.usage.as_ref().unwrap(), data.votes.as_ref().unwrap());
    let (mut all, mut tilted) = (Right::default(), Right::default());
    for row in (0..data.labels.len()).filter(|row| usage[*row] == Usage::PublicTest) {
        let Some(class) = votes[row].as_ref().and_then(votes::Votes::majority) else {
            continue;
        };
        let picture = data.faces.view(row);
        let (as_it_is, upright, degrees) = both(&mut predictor, picture, &Crops::both(picture.bounds()));
        let right = |said: &Prediction| said.scores.top().unwrap().0 == class;
        all.add(right(&as_it_is), right(&upright));
        if degrees >= TILTED_DEGREES {
            tilted.add(right(&as_it_is), right(&upright));
        }
    }
    all.print("FER2013's test faces, the taggers' majority");
    tilted.print("the same, tilted by ten degrees and more");

    for (folder, label) in [("smiling", "Happy"), ("neutral", "Neutral")] {
        let class = classes.index(label).unwrap();
        let mut people = Right::default();
        for file in portraits(folder).unwrap() {
            let picture = Picture::decode(&fs::read(file).unwrap()).unwrap();
            let Some(crops) = crops_of_face(&picture, &mut predictor) else {
                continue;
            };
            let (as_it_is, upright, _) = both(&mut predictor, picture.gray().unwrap(), &crops);
            let right = |said: &Prediction| said.scores.top().unwrap().0 == class;
            people.add(right(&as_it_is), right(&upright));
        }
        people.print(&format!("portraits, {folder}: {label} first"));
    }
}
