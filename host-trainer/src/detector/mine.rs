//! Hard negatives: what the network takes for a face in pictures without any becomes background of later samples.

use inference::PredictError;

use super::alarm::Alarm;
use super::data::Photo;
use super::evaluate::{Detector, Task};

/// Sizes of the input that the network looks with, relative to the samples'.
const SCALES: [f32; 2] = [1.0, 2.0];
/// Least score of a false alarm.
const SCORE: f32 = 0.2;
/// Most false alarms that are kept of one photo at one size.
const KEPT: usize = 3;

/// False alarms on all photos without a face that are trained on.
///
/// # Errors
/// Those of [`Detector::detect`].
pub(super) fn mine(detector: &Detector, photos: &[Photo], input: [usize; 2]) -> Result<Vec<Alarm>, PredictError> {
    let mut alarms = Vec::new();
    let empty = photos
        .iter()
        .enumerate()
        .filter(|(_, photo)| !photo.held && photo.is_empty());
    for (at, photo) in empty {
        for scale in SCALES {
            let mut task = Task::plain(input.map(|side| (side as f32 * scale) as usize));
            (task.limits.score, task.limits.faces) = (SCORE, KEPT);
            let [width, height] = photo.size();
            let fit = (task.input[0] as f32 / width as f32).min(task.input[1] as f32 / height as f32);
            alarms.extend(detector.detect(photo, &task)?.found.iter().map(|face| {
                let [left, top, right, bottom] = face.bounds;
                Alarm {
                    photo: at,
                    middle: [f32::midpoint(left, right), f32::midpoint(top, bottom)],
                    size: ((right - left) * (bottom - top)).sqrt(),
                    scale: fit,
                }
            }));
        }
    }
    Ok(alarms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::compose::tests::photos;
    use crate::detector::engine::param_ranges;
    use crate::detector::network::{initial, layers, outputs};

    #[test]
    fn alarms_come_from_pictures_without_a_face_that_are_not_held_out() {
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
        assert!(
            alarms.iter().all(|alarm| alarm.photo % 2 == 1 && alarm.photo < 8),
            "{alarms:?}"
        );
        let inside = |alarm: &Alarm| alarm.middle[0] <= 96.0 && alarm.middle[1] <= 80.0 && alarm.size > 0.0;
        assert!(alarms.iter().all(inside), "{alarms:?}");
    }
}
