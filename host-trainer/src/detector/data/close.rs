//! Faces of a keypoint set: each fills its picture, and its points say where its box is.

use shared_model::image::SIDE;
use shared_model::keypoints::{LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE};

use super::{Face, Gray, Kind, Photo};
use crate::data::KeypointData;

/// What the photos of these faces have as their source.
pub const CLOSE: &str = "keypoints";
/// Every second person is kept back, to be measured on.
const KEPT_BACK: u32 = 2;

/// The faces of `data` whose eyes, nose and corners of the mouth are all known. Of its people, in the order in which they
/// appear, every second one is left out.
pub fn close_faces(data: &KeypointData) -> Vec<Photo> {
    let learnt = |row: &usize| data.groups[*row].is_multiple_of(KEPT_BACK);
    let photo = |row: usize| {
        let gray = Gray {
            width: SIDE,
            height: SIDE,
            pixels: data.faces.pixels(row).to_vec(),
        };
        Some(Photo {
            name: format!("{CLOSE}/{}", data.rows[row]),
            source: CLOSE.to_owned(),
            held: false,
            scale: 1.0,
            faces: vec![face(data, row)?],
            pyramid: gray.pyramid(),
        })
    };
    (0..data.points.len()).filter(learnt).filter_map(photo).collect()
}

/// The people who are left out of [`close_faces`]: rows of `data`, and the face that fills each.
pub fn kept_back(data: &KeypointData) -> impl Iterator<Item = (usize, Face)> + '_ {
    let rows = (0..data.points.len()).filter(|row| !data.groups[*row].is_multiple_of(KEPT_BACK));
    rows.filter_map(|row| face(data, row).map(|face| (row, face)))
}

/// None where a point is missing.
fn face(data: &KeypointData, row: usize) -> Option<Face> {
    // In a picture, the visitor's right eye is to the left.
    let order = [RIGHT_EYE, LEFT_EYE, NOSE, MOUTH_RIGHT, MOUTH_LEFT];
    if order.iter().any(|point| !data.present[row][*point]) {
        return None;
    }
    let points = order.map(|point| data.points[row].0[point]);
    Some(Face {
        kind: Kind::Face,
        bounds: bounds(&points),
        points: Some(points),
    })
}

/// The box of a face whose points are known: left, top, right, bottom. Least squares over 3,473 faces of the shared set gave
/// the numbers, in units of the distance between eyes and mouth. The residuals are 0.1 to 0.2 of it.
fn bounds([right_eye, left_eye, nose, right_corner, left_corner]: &[[f32; 2]; 5]) -> [f32; 4] {
    let middle = |a: &[f32; 2], b: &[f32; 2]| [f32::midpoint(a[0], b[0]), f32::midpoint(a[1], b[1])];
    let (eyes, mouth) = (middle(right_eye, left_eye), middle(right_corner, left_corner));
    let unit = (mouth[0] - eyes[0]).hypot(mouth[1] - eyes[1]);
    let apart = (left_eye[0] - right_eye[0]).hypot(left_eye[1] - right_eye[1]);
    let aside = nose[0] - f32::midpoint(eyes[0], mouth[0]);
    let (x, y) = (
        eyes[0] - 1.27 * aside,
        eyes[1] + 0.37 * unit - 0.03 * apart - 0.07 * aside.abs(),
    );
    let half_width = (0.96 * unit + 1.10 * apart + 0.91 * aside.abs()) / 2.0;
    let half_height = (2.37 * unit + 0.42 * apart + 0.16 * aside.abs()) / 2.0;
    [x - half_width, y - half_height, x + half_width, y + half_height]
}

#[cfg(test)]
mod tests {
    use shared_model::keypoints::{COUNT, MEAN_FACE};

    use super::*;
    use crate::data::Faces;

    /// Four faces of two people; one lacks its nose.
    fn data() -> KeypointData {
        let mut present = vec![[true; COUNT]; 4];
        present[1][NOSE] = false;
        KeypointData {
            faces: Faces::new(SIDE, vec![7; 4 * SIDE * SIDE]).unwrap(),
            points: vec![MEAN_FACE; 4],
            present,
            groups: vec![0, 0, 1, 1],
            rows: vec![2, 3, 4, 5],
        }
    }

    #[test]
    fn complete_faces_of_one_half_are_learnt_and_those_of_the_other_kept_back() {
        let data = data();
        let names: Vec<String> = close_faces(&data).into_iter().map(|photo| photo.name).collect();
        assert_eq!(names, ["keypoints/2"]);
        let rows: Vec<usize> = kept_back(&data).map(|(row, _)| row).collect();
        assert_eq!(rows, [2, 3]);
    }

    #[test]
    fn the_box_of_the_mean_face_holds_it_from_hairline_to_chin_and_looks_straight_ahead() {
        let face = face(&data(), 0).unwrap();
        let [left, top, right, bottom] = face.bounds;
        assert!((5.0..15.0).contains(&left) && (82.0..92.0).contains(&right), "{face:?}");
        assert!(
            (-12.0..4.0).contains(&top) && (92.0..108.0).contains(&bottom),
            "{face:?}"
        );
        assert!(face.yaw().unwrap() < 3.0);
    }
}
