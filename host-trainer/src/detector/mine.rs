//! Hard negatives: what the network takes for a face where there is none becomes background of later samples.

use inference::PredictError;

use super::alarm::Alarm;
use super::data::Photo;
use super::evaluate::{Detector, Task};
use super::geometry::{area, common};

/// Sizes of the input that the network looks with, relative to the samples'.
const SCALES: [f32; 2] = [1.0, 2.0];
/// Least score of a false alarm.
const SCORE: f32 = 0.2;
/// Most false alarms that are kept of one photo at one size.
const KEPT: usize = 3;
/// Least size of a false alarm beside faces, in pixels of the photo: nobody may have marked a smaller face.
const SURE: f32 = 12.0;

/// False alarms on all photos that are trained on: anywhere in those without a face, and in the others half a face away
/// from each box.
///
/// # Errors
/// Those of [`Detector::detect`].
pub(super) fn mine(detector: &Detector, photos: &[Photo], input: [usize; 2]) -> Result<Vec<Alarm>, PredictError> {
    let mut alarms = Vec::new();
    for (at, photo) in photos.iter().enumerate().filter(|(_, photo)| !photo.held) {
        for scale in SCALES {
            let mut task = Task::plain(input.map(|side| (side as f32 * scale) as usize));
            (task.limits.score, task.limits.faces) = (SCORE, KEPT + photo.faces.len());
            let [width, height] = photo.size();
            let fit = (task.input[0] as f32 / width as f32).min(task.input[1] as f32 / height as f32);
            let found = detector.detect(photo, &task)?.found;
            let found = found.iter().map(|face| face.bounds);
            let found = found.filter(|bounds| is_no_face(photo, *bounds)).take(KEPT);
            alarms.extend(found.map(|bounds| {
                let [left, top, right, bottom] = bounds;
                Alarm {
                    photo: at,
                    middle: [f32::midpoint(left, right), f32::midpoint(top, bottom)],
                    size: area(bounds).sqrt(),
                    scale: fit,
                }
            }));
        }
    }
    Ok(alarms)
}

/// Whether what lies in these bounds is surely no face of the photo.
fn is_no_face(photo: &Photo, bounds: [f32; 4]) -> bool {
    let is_apart = photo.faces.iter().all(|face| {
        let [left, top, right, bottom] = face.bounds;
        let away = (right - left).max(bottom - top) / 2.0;
        area(common(bounds, [left - away, top - away, right + away, bottom + away])) == 0.0
    });
    photo.is_empty() || is_apart && area(bounds).sqrt() >= SURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::compose::tests::photos;
    use crate::detector::data::{Face, Kind};
    use crate::detector::engine::param_ranges;
    use crate::detector::network::{initial, layers, outputs};

    #[test]
    fn alarms_come_from_pictures_that_are_not_held_out_and_from_beside_their_faces() {
        let layers = layers();
        let (mut params, statistics) = initial(&layers, 1);
        let ranges = param_ranges(&layers).0;
        let photos = photos();
        let quiet = Detector::new(&layers, &params, &statistics);
        assert!(mine(&quiet, &photos, [64, 48]).unwrap().is_empty());
        // One that takes everything for a face.
        for output in outputs(&layers) {
            params[ranges[output].beta.clone()].fill(1.0);
        }
        let alarms = mine(&Detector::new(&layers, &params, &statistics), &photos, [64, 48]).unwrap();
        for at in [1, 3, 5, 7] {
            let own = alarms.iter().filter(|alarm| alarm.photo == at).count();
            assert!((2..=2 * KEPT).contains(&own), "{own} in photo {at}");
        }
        assert!(alarms.iter().all(|alarm| alarm.photo < 8), "{alarms:?}");
        for alarm in alarms.iter().filter(|alarm| alarm.photo % 2 == 0) {
            let ([x, y], half) = (alarm.middle, alarm.size / 2.0);
            let [left, top, right, bottom] = photos[alarm.photo].faces[0].bounds;
            assert!(
                x + half < left || x - half > right || y + half < top || y - half > bottom,
                "{alarm:?}"
            );
        }
        let inside = |alarm: &Alarm| alarm.middle[0] <= 96.0 && alarm.middle[1] <= 80.0 && alarm.size > 0.0;
        assert!(alarms.iter().all(inside), "{alarms:?}");
    }

    #[test]
    fn what_touches_a_box_or_is_small_beside_one_may_be_a_face() {
        let mut photo = photos().swap_remove(0);
        photo.faces = [Kind::Face, Kind::Ignore]
            .into_iter()
            .zip([10.0, 60.0])
            .map(|(kind, left)| Face {
                kind,
                bounds: [left, 20.0, left + 10.0, 30.0],
                points: None,
            })
            .collect();
        let at = |left: f32, side: f32| [left, 18.0, left + side, 18.0 + side];
        assert!(is_no_face(&photo, at(30.0, 14.0)));
        assert!(!is_no_face(&photo, at(30.0, 8.0)), "small");
        for left in [10.0, 24.0, 44.0, 62.0] {
            assert!(!is_no_face(&photo, at(left, 14.0)), "at {left}");
        }
        photo.faces.clear();
        assert!(is_no_face(&photo, at(24.0, 8.0)));
    }
}
