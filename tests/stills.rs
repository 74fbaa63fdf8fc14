//! Faces in still pictures: what the bundle's detector finds, beside the cascade.

use std::fs;
use std::path::Path;

use host_trainer::data::{BadRows, keypoints};
use host_trainer::detector::data::{Face, Gray, Kind, Part, Photo, Set, kept_back};
use host_trainer::detector::evaluate::{Variation, varied};
use inference::Predictor;
use inference::bundle::Bundle;
use inference::picture::Picture;
use serde_json::Value;
use shared_model::image::{GrayView, Rect, SIDE};
use vision::clock::SystemClock;
use vision::face::DetectorConfig;
use vision::locate::{Faces, Locator};
use vision::stats::Stats;
use vision::tracker::Policy;
use vision::tracking::{FaceTracker, TrackConfig};

use crate::support::faces::{shared, write_keypoints};
use crate::support::programs::measured_bundle;
use crate::support::visitors::swaying;

/// Yaws in degrees from which on visitors who look aside are counted.
const YAWS: [f32; 3] = [0.0, 30.0, 45.0];
/// Side of the smallest face that is searched, in pixels.
const LEAST_PX: f32 = 20.0;

/// What is done to the annotated photographs, and what the table calls it.
const VARIATIONS: [(&str, Variation); 8] = [
    ("as they are", Variation::None),
    ("turned by 15 degrees", Variation::Turned(15.0)),
    ("turned by -15 degrees", Variation::Turned(-15.0)),
    ("turned by 30 degrees", Variation::Turned(30.0)),
    ("turned by -30 degrees", Variation::Turned(-30.0)),
    ("a quarter of the light", Variation::Dark(0.25)),
    ("blurred", Variation::Blurred),
    ("half the size", Variation::Half),
];

/// Intersection over union, 0 to 1, from which a box is that of an annotated face: the boxes of eight sets of pictures
/// differ in how much of the head they hold.
const SAME: f32 = 0.3;

/// A finder under test.
struct Finder {
    locator: Locator,
    predictor: Predictor,
}

impl Finder {
    fn new(faces: Faces) -> Self {
        let bundle = Bundle::open(&measured_bundle()).unwrap();
        Self {
            locator: Locator::new(faces).unwrap(),
            predictor: Predictor::load(&bundle).unwrap(),
        }
    }

    fn find(&mut self, gray: &Gray) -> Vec<Rect> {
        let picture = GrayView::new(&gray.pixels, gray.width, gray.height).unwrap();
        let found = self.locator.all(picture, &mut self.predictor).unwrap();
        found.iter().map(|face| face.bounds).collect()
    }
}

fn both() -> [(&'static str, Finder); 2] {
    let cascade = DetectorConfig {
        min_face_px: LEAST_PX,
        ..DetectorConfig::default()
    };
    [
        ("detector", Finder::new(Faces::DetectByBundle(LEAST_PX))),
        ("cascade", Finder::new(Faces::Detect(cascade))),
    ]
}

/// The annotated photographs, and how many faces each shows.
fn photographs(data: &Path) -> Vec<(Photo, usize)> {
    let photos = data.join("photos");
    let text = fs::read_to_string(photos.join("annotations.json")).unwrap();
    let annotations: Value = serde_json::from_str(&text).unwrap();
    let named = annotations.as_object().unwrap().iter();
    named
        .map(|(name, annotation)| {
            let picture = Picture::decode(&fs::read(photos.join(name)).unwrap()).unwrap();
            let view = picture.gray().unwrap();
            let rows = (0..view.height()).flat_map(|row| view.row(row).to_vec());
            let gray = Gray {
                width: view.width(),
                height: view.height(),
                pixels: rows.collect(),
            };
            let photo = Photo {
                name: name.clone(),
                source: "photos".to_owned(),
                held: true,
                scale: 1.0,
                faces: Vec::new(),
                pyramid: vec![gray],
            };
            (photo, annotation["n_faces"].as_u64().unwrap() as usize)
        })
        .collect()
}

/// Half as many pixels in each direction, each the mean of four.
fn half(gray: &Gray) -> Gray {
    let (width, height) = (gray.width / 2, gray.height / 2);
    let mean = |at: usize| {
        let first = 2 * (at / width) * gray.width + 2 * (at % width);
        let four = [0, 1, gray.width, gray.width + 1].map(|beside| u32::from(gray.pixels[first + beside]));
        ((four.iter().sum::<u32>() + 2) / 4) as u8
    };
    Gray {
        width,
        height,
        pixels: (0..width * height).map(mean).collect(),
    }
}

#[test]
#[ignore = "takes minutes: the figures in docs/src/detector.md; BUNDLE names another bundle"]
fn faces_in_still_photographs_are_counted() {
    let data = shared().unwrap();
    let photographs = photographs(&data);
    let shown: usize = photographs.iter().map(|(_, shown)| shown).sum();
    for (name, mut finder) in both() {
        for (what, variation) in VARIATIONS {
            let (mut counted, mut surplus) = (0, 0);
            for (photo, shown) in &photographs {
                let found = finder.find(&shown_as(photo, variation)).len();
                if found != *shown {
                    println!("DIFF {name} {what} {} {found} of {shown}", photo.name);
                }
                counted += found.min(*shown);
                surplus += found.saturating_sub(*shown);
            }
            println!("{name}, {what}: {counted} of {shown}, and {surplus} too many");
        }
    }
}

/// The blurred photographs and the dark ones: the docs' figures, less one each.
#[test]
fn faces_in_photographs_out_of_focus_or_in_the_dark_are_found() {
    let Some(data) = shared() else {
        return testing::skip_faces("photographs out of focus or in the dark: there is no ../shared/data");
    };
    let mut finder = Finder::new(Faces::DetectByBundle(LEAST_PX));
    let photographs = photographs(&data);
    for (variation, least, most) in [(Variation::Blurred, 31, 1), (Variation::Dark(0.25), 32, 1)] {
        let (mut counted, mut surplus) = (0, 0);
        for (photo, shown) in &photographs {
            let found = finder.find(&shown_as(photo, variation)).len();
            counted += found.min(*shown);
            surplus += found.saturating_sub(*shown);
        }
        assert!(
            counted >= least && surplus <= most,
            "{variation:?}: {counted} of 33, and {surplus} too many"
        );
    }
}

/// A photograph, varied.
fn shown_as(photo: &Photo, variation: Variation) -> Gray {
    let (gray, _) = varied(photo, variation);
    if variation == Variation::Half {
        half(&gray)
    } else {
        gray
    }
}

/// How many faces have an id after a second at 15 frames, in a picture reduced to 160 pixels.
fn tracked_after_a_second(predictor: &mut Predictor, mut frame: impl FnMut() -> Gray) -> usize {
    let config = TrackConfig {
        policy: Policy::All,
        detector_px: Some(160),
        ..TrackConfig::default()
    };
    let mut tracker = FaceTracker::new(config, predictor).unwrap();
    let mut stats = Stats::default();
    for number in 0..15 {
        let gray = frame();
        let picture = GrayView::new(&gray.pixels, gray.width, gray.height).unwrap();
        let tracked = tracker.track(picture, number * 67, predictor, &SystemClock::start(), &mut stats);
        tracked.unwrap();
    }
    tracker.seen().len()
}

/// The 17 visitors of the photographs of one or two, tracked for a second: the docs' figures, less one each, and less one in all.
#[test]
fn one_or_two_visitors_are_tracked_in_a_small_picture() {
    let Some(data) = shared() else {
        return testing::skip_faces("photographs of one or two visitors: there is no ../shared/data");
    };
    let bundle = Bundle::open(&measured_bundle()).unwrap();
    let mut predictor = Predictor::load(&bundle).unwrap();
    let photographs = photographs(&data);
    let few = || photographs.iter().filter(|(_, shown)| (1..=2).contains(shown));
    let shown: usize = few().map(|(_, shown)| shown).sum();
    assert_eq!(shown, 17);
    let mut all = 0;
    for ((what, variation), least) in VARIATIONS.into_iter().zip([16, 16, 16, 16, 15, 16, 16, 16]) {
        let (mut counted, mut surplus) = (0, 0);
        for (photo, shown) in few() {
            let gray = shown_as(photo, variation);
            let found = tracked_after_a_second(&mut predictor, || gray.clone());
            counted += found.min(*shown);
            surplus += found.saturating_sub(*shown);
        }
        println!("tracked, {what}: {counted} of {shown}, and {surplus} too many");
        assert!(
            counted >= least && surplus <= 1,
            "{what}: {counted} and {surplus} too many"
        );
        all += counted;
    }
    assert!(all >= 134, "{all} of 136");
}

/// Visitors who look aside, near and further away, tracked for a second: by yaw from so many degrees on, how many of the first
/// hundred at least. These are the docs' figures, less two. The detector was trained on none of these pictures.
#[test]
fn visitors_who_look_aside_are_tracked() {
    let Some(data) = shared() else {
        return testing::skip_faces("visitors who look aside: there is no ../shared/data");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.csv");
    write_keypoints(&data, &path, usize::MAX);
    let (stills, _) = keypoints::read(&path, BadRows::Refuse).unwrap();
    let bundle = Bundle::open(&measured_bundle()).unwrap();
    let mut predictor = Predictor::load(&bundle).unwrap();
    for (times, least) in [(1.5, [97, 88, 15]), (3.0, [97, 87, 15])] {
        let mut counts = [[0; 2]; YAWS.len()];
        for (row, face) in kept_back(&stills) {
            let yaw = face.yaw().unwrap();
            let [tracked, shown] = &mut counts[YAWS.iter().rposition(|from| yaw >= *from).unwrap()];
            if *shown == 100 {
                continue;
            }
            *shown += 1;
            let mut frames = swaying(stills.faces.pixels(row), SIDE, times, 320, row as u64);
            let found = tracked_after_a_second(&mut predictor, || Gray {
                width: 320,
                height: 320,
                pixels: frames.next().unwrap(),
            });
            *tracked += usize::from(found > 0);
        }
        println!(
            "a face as wide as 1 in {times} of the picture, by yaw from {YAWS:?} degrees on: tracked and shown {counts:?}"
        );
        for ([tracked, shown], least) in counts.into_iter().zip(least) {
            assert!(tracked >= least && shown > 20, "{counts:?}");
        }
    }
}

fn bounds(face: &Face) -> Rect {
    let [left, top, right, bottom] = face.bounds;
    Rect {
        x: left,
        y: top,
        w: right - left,
        h: bottom - top,
    }
}

#[test]
#[ignore = "takes minutes: the figures in docs/src/detector.md; BUNDLE names another bundle"]
fn faces_in_held_out_pictures_are_found() {
    let data = shared().unwrap();
    let detection = data.join("detection");
    let set = Set::read(
        &detection.join("images.zip"),
        &detection.join("faces.csv.zst"),
        Part::HeldOut,
    )
    .unwrap();
    for (name, mut finder) in both() {
        // From 128 pixels on, 64, 32 and 16.
        let (mut hit, mut shown) = ([0; 4], [0; 4]);
        let (mut alarms, mut alarms_without, mut without) = (0, 0, 0);
        for photo in &set.photos {
            let found = finder.find(photo.gray());
            let mut taken = vec![false; photo.faces.len()];
            let mut nothing = 0;
            for found in found {
                let overlap = |face: &Face| bounds(face).overlap(&found);
                let faces = photo.faces.iter().enumerate();
                let nearest = faces.max_by(|a, b| overlap(a.1).total_cmp(&overlap(b.1)));
                match nearest {
                    Some((at, face)) if overlap(face) >= SAME => taken[at] = true,
                    Some((_, face)) if face.kind == Kind::Ignore && overlap(face) > 0.1 => {}
                    _ => nothing += 1,
                }
            }
            alarms += nothing;
            if photo.is_empty() {
                without += 1;
                alarms_without += nothing;
            }
            for (face, taken) in photo.faces.iter().zip(taken).filter(|it| it.0.kind != Kind::Ignore) {
                let bounds = bounds(face);
                let side = (bounds.w * bounds.h).sqrt();
                if let Some(class) = [128.0, 64.0, 32.0, 16.0].iter().position(|least| side >= *least) {
                    shown[class] += 1;
                    hit[class] += usize::from(taken);
                }
            }
        }
        for (least, (hit, shown)) in ["128", "64", "32", "16"].iter().zip(hit.iter().zip(shown)) {
            println!("{name}, from {least} pixels on: {hit} of {shown}");
        }
        let all = set.photos.len();
        println!(
            "{name}: {alarms} false alarms on {all} pictures, {alarms_without} of them on {without} without a face"
        );
    }
}
