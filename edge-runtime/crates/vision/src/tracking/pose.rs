//! How far a head is turned, from the 15 keypoints alone.
//!
//! The nose stands out of the plane of eyes and mouth by `nose_depth` eye distances. A head turned by a yaw `y` shows its
//! eyes at `e cos y` and its nose shifted by `d sin y`, so that the nose's place between the eyes (0.5 in the middle) is
//! `0.5 + d/e tan y`. A head nodded by a pitch `p` shows its mouth at `m cos p` below the eyes and its nose at
//! `n cos p + d sin p`, so that the nose's share of the way to the mouth is `n/m + d/m tan p`. Both are solved for the
//! angle. Perspective and the difference between faces are left out: a share of 0.06 more or less, as faces differ, is 7
//! degrees.

use shared_model::keypoints::Keypoints;

use super::shape::{Upright, nose_between_eyes};

/// The head that is taken for everybody's, in distances of its eyes.
struct HeadSettings {
    /// How far the tip of the nose stands out. Head models in use lie between 0.43 and 0.6.
    nose_depth: f32,
    /// Where the nose lies on the way from the eyes to the mouth, a share, of a face that looks straight ahead: the median of
    /// 102 frontal portraits as the shipped network sees them, of which nine in ten lie in 0.45 to 0.58. It is 0.50 for the
    /// 2,140 complete faces of the keypoint set; the mean of all its faces, 0.66, mixes two ways of marking a nose.
    nose_share: f32,
    /// From the eyes down to the mouth, in that face.
    mouth_drop: f32,
}

const HEAD: HeadSettings = HeadSettings {
    nose_depth: 0.5,
    nose_share: 0.51,
    mouth_drop: 1.05,
};

/// How far a head is turned away from the camera; 0 looks straight at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// To the side in degrees, -90 to 90; above 0 the nose goes to the visitor's left.
    pub yaw: f32,
    /// Up or down in degrees, -90 to 90; above 0 the head is bowed.
    pub pitch: f32,
}

impl Pose {
    /// The pose of these keypoints; `None` where they are no upright face.
    pub fn of(keypoints: &Keypoints) -> Option<Self> {
        let upright = Upright::of(keypoints).filter(|upright| upright.mouth > 0.0)?;
        let yaw = (nose_between_eyes(keypoints) - 0.5) / HEAD.nose_depth;
        let pitch = (upright.nose / upright.mouth - HEAD.nose_share) * HEAD.mouth_drop / HEAD.nose_depth;
        let pose = Self {
            yaw: yaw.atan().to_degrees(),
            pitch: pitch.atan().to_degrees(),
        };
        (pose.yaw.is_finite() && pose.pitch.is_finite()).then_some(pose)
    }

    /// Whether the head is turned by at most so many degrees, to the side and up or down.
    pub fn is_within(&self, degrees: f32) -> bool {
        self.yaw.abs() <= degrees && self.pitch.abs() <= degrees
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::face;
    use super::*;
    use shared_model::keypoints::{COUNT, MEAN_FACE};

    /// A head of the model in the documentation, seen from afar: every point in the plane of the eyes but the nose.
    fn turned(yaw: f32, pitch: f32) -> Keypoints {
        let eye = MEAN_FACE.eye_distance();
        let (cx, cy) = (48.0, 37.8);
        let mut points = MEAN_FACE.0.map(|[x, y]| {
            [
                cx + (x - cx) * yaw.to_radians().cos(),
                cy + (y - cy) * pitch.to_radians().cos(),
            ]
        });
        points[10][0] += HEAD.nose_depth * eye * yaw.to_radians().sin();
        points[10][1] += HEAD.nose_depth * eye * pitch.to_radians().sin();
        Keypoints(points)
    }

    #[test]
    fn the_mean_face_looks_straight_ahead_however_it_is_tilted() {
        for tilt in [0.0, 0.3, -0.3] {
            let pose = Pose::of(&face(100.0, 100.0, 80.0, tilt)).unwrap();
            assert!(pose.is_within(2.0), "{tilt}: {pose:?}");
        }
    }

    #[test]
    fn a_turned_head_is_measured_to_a_few_degrees() {
        for (yaw, pitch) in [
            (0.0, 0.0),
            (15.0, 0.0),
            (-25.0, 0.0),
            (40.0, 0.0),
            (0.0, 15.0),
            (0.0, -25.0),
            (10.0, 10.0),
        ] {
            let pose = Pose::of(&turned(yaw, pitch)).unwrap();
            let off = (pose.yaw - yaw).abs().max((pose.pitch - pitch).abs());
            assert!(off < 3.0, "{yaw} {pitch}: {pose:?}");
        }
        assert!(Pose::of(&turned(15.0, 0.0)).unwrap().is_within(20.0));
        assert!(!Pose::of(&turned(25.0, 0.0)).unwrap().is_within(20.0));
        assert!(!Pose::of(&turned(0.0, 26.0)).unwrap().is_within(20.0));
    }

    #[test]
    fn points_in_one_place_have_no_pose() {
        assert_eq!(Pose::of(&Keypoints([[1.0, 1.0]; COUNT])), None);
        assert_eq!(Pose::of(&Keypoints([[f32::NAN, 1.0]; COUNT])), None);
    }
}
