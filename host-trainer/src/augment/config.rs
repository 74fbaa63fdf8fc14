//! How strongly faces are varied.

use serde::{Deserialize, Serialize};
use shared_model::image::SIDE;

/// Ranges and probabilities of the variations; a random value of each is drawn for every face.
///
/// Sizes are in pixels of the 96 x 96 input, shares are of its side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Probability of changing left and right, 0 to 1.
    pub mirror: f32,
    /// Probability of changing top and bottom, 0 to 1.
    pub vertical_flip: f32,
    /// Whether the left and right keypoints change names when a face turns into its mirror image. Off
    /// only to repeat figures that were measured without.
    pub swap_mirrored_points: bool,
    /// How far the labels lie to the right of and below what they mark, in pixels, each -8 to 8. Places counted from 1
    /// and kept as if counted from 0 are half a pixel of their own picture beside. A face and its mirror image look
    /// alike, so where this is not told a network learns the places without it, and misses each label by it.
    pub label_offset: [f32; 2],
    /// Largest rotation to either side in degrees, 0 to 180.
    pub rotation_degrees: f32,
    /// Largest shift along each axis as a share of the side, 0 to 1.
    pub shift: f32,
    /// Largest shear: by how much x grows with y, 0 to 1.
    pub shear: f32,
    /// Largest change of size: 0.1 is 0.9 to 1.1; 0 to 0.9.
    pub zoom: f32,
    /// Largest value added to pixels in 0..=1, either sign; 0 to 1.
    pub brightness: f32,
    /// Largest change of the distance to the mean grey: 0.3 is 0.7 to 1.3; 0 to 1.
    pub contrast: f32,
    /// Largest exponent that pixels in 0..=1 are raised to, and its inverse the smallest, less 1: 0.5 is 1/1.5
    /// to 1.5; 0 to 4.
    pub gamma: f32,
    /// Probability that a face is seen as if it came from fewer pixels, 0 to 1.
    pub low_resolution: f32,
    /// Smallest and largest side of such a face in pixels, 8 to 96.
    pub low_resolution_px: [f32; 2],
    /// Largest standard deviation of noise on pixels in 0..=1; 0 to 0.5.
    pub noise: f32,
    /// Probability that a box of the face's mean grey covers a part of it, 0 to 1.
    pub erase: f32,
    /// Smallest and largest side of that box in pixels, 1 to 96.
    pub erase_px: [f32; 2],
}

/// A setting is outside its range.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("augmentation: '{key}' is {value}, expected {low} to {high}")]
pub struct AugmentError {
    /// Name of the setting, as a recipe writes it.
    pub key: &'static str,
    /// The value that was given.
    pub value: f32,
    /// The lowest value that is allowed.
    pub low: f32,
    /// The highest value that is allowed.
    pub high: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self::none()
    }
}

impl AugmentConfig {
    /// No variation at all: what a network meets in validation, test and use.
    pub const fn none() -> Self {
        Self {
            mirror: 0.0,
            vertical_flip: 0.0,
            swap_mirrored_points: true,
            label_offset: [0.0; 2],
            rotation_degrees: 0.0,
            shift: 0.0,
            shear: 0.0,
            zoom: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            gamma: 0.0,
            low_resolution: 0.0,
            low_resolution_px: [16.0, 40.0],
            noise: 0.0,
            erase: 0.0,
            erase_px: [8.0, 32.0],
        }
    }

    /// The original's moderate variations, on upright faces and with left and right in order.
    pub const fn honest() -> Self {
        Self {
            mirror: 0.5,
            rotation_degrees: 15.0,
            shift: 0.1,
            shear: 0.1,
            zoom: 0.1,
            brightness: 0.15,
            ..Self::none()
        }
    }

    /// The original's variations with its flaws: faces upside down and at any angle, and mirrored
    /// faces whose left eye is still called left. For comparison only.
    pub const fn original() -> Self {
        Self {
            vertical_flip: 0.5,
            swap_mirrored_points: false,
            rotation_degrees: 180.0,
            ..Self::honest()
        }
    }

    /// What reached the best emotion accuracy in trials of this product.
    pub const fn emotion() -> Self {
        Self {
            zoom: 0.15,
            shear: 0.05,
            contrast: 0.3,
            erase: 0.5,
            ..Self::honest()
        }
    }

    /// What reached the lowest keypoint error in trials of this product.
    pub const fn keypoints() -> Self {
        Self {
            rotation_degrees: 20.0,
            shift: 7.0 / SIDE as f32,
            shear: 0.0,
            zoom: 0.2,
            contrast: 0.3,
            ..Self::honest()
        }
    }

    /// Each variation alone, by its key; one that comes with a probability comes for sure.
    #[allow(clippy::too_many_lines, reason = "a table")]
    pub fn singles(&self) -> Vec<(&'static str, Self)> {
        let own = *self;
        let none = Self {
            swap_mirrored_points: own.swap_mirrored_points,
            label_offset: own.label_offset,
            low_resolution_px: own.low_resolution_px,
            erase_px: own.erase_px,
            ..Self::none()
        };
        let sure = |probability: f32| f32::from(u8::from(probability > 0.0));
        let all = [
            (
                "mirror",
                own.mirror,
                Self {
                    mirror: sure(own.mirror),
                    ..none
                },
            ),
            (
                "vertical_flip",
                own.vertical_flip,
                Self {
                    vertical_flip: sure(own.vertical_flip),
                    ..none
                },
            ),
            (
                "rotation_degrees",
                own.rotation_degrees,
                Self {
                    rotation_degrees: own.rotation_degrees,
                    ..none
                },
            ),
            (
                "shift",
                own.shift,
                Self {
                    shift: own.shift,
                    ..none
                },
            ),
            (
                "shear",
                own.shear,
                Self {
                    shear: own.shear,
                    ..none
                },
            ),
            ("zoom", own.zoom, Self { zoom: own.zoom, ..none }),
            (
                "brightness",
                own.brightness,
                Self {
                    brightness: own.brightness,
                    ..none
                },
            ),
            (
                "contrast",
                own.contrast,
                Self {
                    contrast: own.contrast,
                    ..none
                },
            ),
            (
                "gamma",
                own.gamma,
                Self {
                    gamma: own.gamma,
                    ..none
                },
            ),
            (
                "low_resolution",
                own.low_resolution,
                Self {
                    low_resolution: sure(own.low_resolution),
                    ..none
                },
            ),
            (
                "noise",
                own.noise,
                Self {
                    noise: own.noise,
                    ..none
                },
            ),
            (
                "erase",
                own.erase,
                Self {
                    erase: sure(own.erase),
                    ..none
                },
            ),
        ];
        let on = all.into_iter().filter(|(_, strength, _)| *strength > 0.0);
        on.map(|(key, _, config)| (key, config)).collect()
    }

    /// Whether every setting is in its range.
    pub fn check(&self) -> Result<(), AugmentError> {
        let [smallest, largest] = self.erase_px;
        let [fewest, most] = self.low_resolution_px;
        let ranges = [
            ("mirror", self.mirror, 0.0, 1.0),
            ("vertical_flip", self.vertical_flip, 0.0, 1.0),
            ("label_offset", self.label_offset[0], -8.0, 8.0),
            ("label_offset", self.label_offset[1], -8.0, 8.0),
            ("rotation_degrees", self.rotation_degrees, 0.0, 180.0),
            ("shift", self.shift, 0.0, 1.0),
            ("shear", self.shear, 0.0, 1.0),
            ("zoom", self.zoom, 0.0, 0.9),
            ("brightness", self.brightness, 0.0, 1.0),
            ("contrast", self.contrast, 0.0, 1.0),
            ("gamma", self.gamma, 0.0, 4.0),
            ("low_resolution", self.low_resolution, 0.0, 1.0),
            ("low_resolution_px", most, 8.0, SIDE as f32),
            ("low_resolution_px", fewest, 8.0, most),
            ("noise", self.noise, 0.0, 0.5),
            ("erase", self.erase, 0.0, 1.0),
            ("erase_px", largest, 1.0, SIDE as f32),
            ("erase_px", smallest, 1.0, largest),
        ];
        for (key, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(AugmentError { key, value, low, high });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_in_range_and_survive_json() {
        for preset in [
            AugmentConfig::none(),
            AugmentConfig::honest(),
            AugmentConfig::original(),
            AugmentConfig::emotion(),
            AugmentConfig::keypoints(),
        ] {
            assert_eq!(preset.check(), Ok(()));
            let json = serde_json::to_string(&preset).unwrap();
            assert_eq!(serde_json::from_str::<AugmentConfig>(&json).unwrap(), preset);
        }
        assert!(serde_json::from_str::<AugmentConfig>(r#"{"miror": 0.5}"#).is_err());
    }

    #[test]
    fn names_the_setting_that_is_out_of_range() {
        for (key, wrong) in [
            ("mirror", r#"{"mirror": 1.1}"#),
            ("zoom", r#"{"zoom": 1.0}"#),
            ("rotation_degrees", r#"{"rotation_degrees": -1}"#),
            ("erase_px", r#"{"erase_px": [9, 8]}"#),
            ("erase_px", r#"{"erase_px": [8, 97]}"#),
        ] {
            let config: AugmentConfig = serde_json::from_str(wrong).unwrap();
            assert_eq!(config.check().unwrap_err().key, key);
        }
        let nothing = AugmentConfig {
            shift: f32::NAN,
            ..AugmentConfig::none()
        };
        assert_eq!(nothing.check().unwrap_err().key, "shift");
    }
}
