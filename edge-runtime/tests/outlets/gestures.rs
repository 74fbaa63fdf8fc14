//! Head pose and gestures of real faces: found, marked by the shipped network, mirrored and turned.

use std::fs;
use std::path::Path;

use inference::Predictor;
use inference::bundle::Bundle;
use inference::picture::Picture;
use shared_model::image::GrayView;
use shared_model::keypoints::Keypoints;
use testing::shared_data;
use vision::face::{Detector, DetectorConfig, largest};
use vision::gesture::{Gestures, HeadPose};

/// Most that the roll of a turned or mirrored face may be off, in degrees. Of 51 portraits turned by up to 15 degrees the worst
/// roll is 1.5 off.
const CLOSE: f32 = 3.0;

/// Most that the yaw of a face and that of its mirror image, each of them off, may differ. The worst of 51 portraits has 3.4: the
/// default bundle's keypoint network sees a face once, and not also mirrored, which would make it 2.6 for twice the work.
const CLOSE_YAW: f32 = 4.0;

/// A grey picture.
struct Grey {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Grey {
    fn read(path: &Path) -> Self {
        let picture = Picture::decode(&fs::read(path).unwrap()).unwrap();
        let view = picture.gray().unwrap();
        let (width, height) = (picture.width(), picture.height());
        Self {
            pixels: (0..height).flat_map(|y| view.row(y)[..width].to_vec()).collect(),
            width,
            height,
        }
    }

    fn view(&self) -> GrayView<'_> {
        GrayView::new(&self.pixels, self.width, self.height).unwrap()
    }

    fn mirrored(&self) -> Self {
        let rows = self.pixels.chunks_exact(self.width);
        Self {
            pixels: rows
                .flat_map(|row| row.iter().rev().copied().collect::<Vec<u8>>())
                .collect(),
            ..*self
        }
    }

    /// Turned clockwise around its centre; what lacks is the nearest pixel of the edge.
    fn turned(&self, degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (cx, cy) = (self.width as f32 / 2.0, self.height as f32 / 2.0);
        let pixel = |at: usize| {
            let (x, y) = ((at % self.width) as f32 + 0.5 - cx, (at / self.width) as f32 + 0.5 - cy);
            let (sx, sy) = (x * cos + y * sin + cx, y * cos - x * sin + cy);
            let column = (sx.max(0.0) as usize).min(self.width - 1);
            let row = (sy.max(0.0) as usize).min(self.height - 1);
            self.pixels[row * self.width + column]
        };
        Self {
            pixels: (0..self.pixels.len()).map(pixel).collect(),
            ..*self
        }
    }
}

/// Finds faces and marks their keypoints.
struct Marker {
    detector: Detector,
    predictor: Predictor,
}

impl Marker {
    fn new() -> Self {
        let config = DetectorConfig {
            min_face_px: 60.0,
            ..DetectorConfig::default()
        };
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
        Self {
            detector: Detector::new(config).unwrap(),
            predictor: Predictor::load(&Bundle::open(&bundle).unwrap()).unwrap(),
        }
    }

    fn gestures(&mut self, picture: &Grey) -> Option<Gestures> {
        let faces = self.detector.detect(picture.view());
        let crops = self.predictor.crops(&largest(&faces)?.bounds);
        let keypoints: Keypoints = self.predictor.predict(picture.view(), &crops).unwrap().keypoints;
        Gestures::of(&keypoints)
    }
}

fn portraits(folder: &str) -> Option<Vec<Grey>> {
    let entries = fs::read_dir(shared_data("london")?.join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 50, "{} portraits", files.len());
    Some(files.iter().map(|file| Grey::read(file)).collect())
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}

#[test]
fn the_roll_of_each_turned_portrait_is_the_turn_within_3_degrees() {
    let Some(portraits) = portraits("neutral") else { return };
    let mut marker = Marker::new();
    for (number, portrait) in portraits.iter().enumerate() {
        let upright = marker.gestures(portrait).unwrap().pose.roll;
        for degrees in [-15.0, -8.0, 8.0, 15.0] {
            let turned = marker.gestures(&portrait.turned(degrees)).unwrap().pose.roll;
            let off = turned - upright - degrees;
            assert!(off.abs() <= CLOSE, "portrait {number} at {degrees}: {off} degrees off");
        }
    }
}

#[test]
fn portraits_look_straight_and_a_mirror_turns_yaw_and_roll_of_each_around() {
    let Some(portraits) = portraits("neutral") else { return };
    let mut marker = Marker::new();
    let poses: Vec<[HeadPose; 2]> = portraits
        .iter()
        .map(|portrait| [portrait, &portrait.mirrored()].map(|it| marker.gestures(it).unwrap().pose))
        .collect();
    let [yaw, pitch] = [|pose: &HeadPose| pose.yaw.abs(), |pose: &HeadPose| pose.pitch.abs()]
        .map(|of| median(poses.iter().map(|[pose, _]| of(pose)).collect()));
    assert!(yaw < 8.0 && pitch < 15.0, "yaw {yaw}, pitch {pitch}");
    for (number, [own, mirrored]) in poses.iter().enumerate() {
        let (yaw, roll) = (own.yaw + mirrored.yaw, own.roll + mirrored.roll);
        assert!(
            yaw.abs() <= CLOSE_YAW && roll.abs() <= CLOSE,
            "portrait {number} and its mirror: yaw {yaw}, roll {roll}"
        );
    }
}

#[test]
fn smiles_are_wider_than_calm_mouths() {
    let (Some(calm), Some(smiling)) = (portraits("neutral"), portraits("smiling")) else {
        return;
    };
    let mut marker = Marker::new();
    let [calm, smiling] = [calm, smiling].map(|portraits| {
        let widths = portraits.iter().filter_map(|it| Some(marker.gestures(it)?.mouth_width));
        median(widths.collect())
    });
    assert!(smiling > calm + 0.03, "calm {calm}, smiling {smiling}");
}

/// Coordinates of labelled faces, many of them turned to a side.
#[test]
fn yaw_of_labelled_faces_has_the_sign_and_the_size_of_the_mirrored_one() {
    let Some(data) = shared_data("") else { return };
    let text = fs::read_to_string(data.join("kp15_ytf_public.csv")).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let columns: Vec<usize> = (0..names.len())
        .filter(|at| names[*at].ends_with("_x") || names[*at].ends_with("_y"))
        .collect();
    let nose = names.iter().position(|name| *name == "nose_pos_between_eyes").unwrap();
    let mut turned = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let numbers: Vec<f32> = columns.iter().map(|at| cells[*at].parse().unwrap()).collect();
        let keypoints = Keypoints::from_coordinates(&numbers).unwrap();
        let (own, mirrored) = (
            HeadPose::of(&keypoints).unwrap(),
            HeadPose::of(&keypoints.mirrored(96.0)).unwrap(),
        );
        assert!((own.yaw + mirrored.yaw).abs() < 0.1 && (own.roll + mirrored.roll).abs() < 0.1);
        // 0.5 is the middle; where the nose is nearly above an eye, the head is turned however else it is held.
        let aside = cells[nose].parse::<f32>().unwrap() - 0.5;
        if aside.abs() > 0.3 {
            turned += 1;
            assert!(own.yaw * aside > 0.0, "{aside} {own:?}");
        }
    }
    assert!(turned > 400, "{turned}");
}
