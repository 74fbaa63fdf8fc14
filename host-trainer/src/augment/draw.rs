//! The random numbers of one face, and what the settings make of them.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use shared_model::image::SIDE;

use super::affine::{Affine, compose};
use super::config::AugmentConfig;
use super::warp::Light;

/// Random numbers of one face, from 0 to just under 1. All are drawn for every face, so that another
/// setting leaves the other variations as they were.
pub(super) struct Drawn {
    mirror: f32,
    flip: f32,
    rotation: f32,
    shift: [f32; 2],
    shear: f32,
    zoom: f32,
    brightness: f32,
    contrast: f32,
    erase: f32,
    erase_size: [f32; 2],
    erase_at: [f32; 2],
    gamma: f32,
    low_resolution: f32,
    low_resolution_side: f32,
    noise: f32,
}

impl Drawn {
    /// The next numbers of the generator.
    pub(super) fn new(rng: &mut ChaCha8Rng) -> Self {
        Self {
            mirror: rng.random(),
            flip: rng.random(),
            rotation: rng.random(),
            shift: rng.random(),
            shear: rng.random(),
            zoom: rng.random(),
            brightness: rng.random(),
            contrast: rng.random(),
            erase: rng.random(),
            erase_size: rng.random(),
            erase_at: rng.random(),
            gamma: rng.random(),
            low_resolution: rng.random(),
            low_resolution_side: rng.random(),
            noise: rng.random(),
        }
    }

    /// Where a point of the face goes, in pixels of the input: mirrored, then resized, sheared and
    /// turned about the centre, then shifted.
    pub(super) fn map(&self, config: &AugmentConfig) -> Affine {
        let side = SIDE as f32;
        let sign = |turned: bool| if turned { -1.0 } else { 1.0 };
        let size = 1.0 + either(self.zoom, config.zoom);
        let (sin, cos) = either(self.rotation, config.rotation_degrees).to_radians().sin_cos();
        let mirror = [
            [size * sign(self.mirror < config.mirror), 0.0],
            [0.0, size * sign(self.flip < config.vertical_flip)],
        ];
        let shear = [[1.0, either(self.shear, config.shear)], [0.0, 1.0]];
        let matrix = compose([[cos, -sin], [sin, cos]], compose(shear, mirror));
        let shift = self.shift.map(|share| either(share, config.shift) * side);
        Affine::about([side / 2.0; 2], matrix, shift)
    }

    /// Contrast stretches about the mean of the face, in 0..=1; brightness is added.
    pub(super) fn light(&self, config: &AugmentConfig, mean: f32) -> Light {
        let gain = 1.0 + either(self.contrast, config.contrast);
        Light {
            gain,
            offset: mean - gain * mean + either(self.brightness, config.brightness),
        }
    }

    /// The exponent that pixels in 0..=1 are raised to.
    pub(super) fn gamma(&self, config: &AugmentConfig) -> f32 {
        either(self.gamma, (1.0 + config.gamma).ln()).exp()
    }

    /// The side in pixels that the face is made smaller to, if it is.
    pub(super) fn low_resolution(&self, config: &AugmentConfig) -> Option<usize> {
        let [fewest, most] = config.low_resolution_px;
        let side = (fewest + self.low_resolution_side * (most - fewest)).round() as usize;
        (self.low_resolution < config.low_resolution).then_some(side)
    }

    /// Standard deviation of the noise.
    pub(super) fn noise(&self, config: &AugmentConfig) -> f32 {
        self.noise * config.noise
    }

    /// The box to be covered, if any.
    pub(super) fn erased(&self, config: &AugmentConfig) -> Option<Area> {
        let [smallest, largest] = config.erase_px;
        let [width, height] = self.erase_size.map(|part| {
            let size = smallest + part * (largest - smallest);
            (size.round() as usize).min(SIDE)
        });
        (self.erase < config.erase).then(|| Area {
            left: (self.erase_at[0] * (SIDE - width + 1) as f32) as usize,
            top: (self.erase_at[1] * (SIDE - height + 1) as f32) as usize,
            width,
            height,
        })
    }
}

/// A number in 0..1 spread over `-largest..largest`.
fn either(part: f32, largest: f32) -> f32 {
    (2.0 * part - 1.0) * largest
}

/// A box inside the input, in whole pixels.
pub(super) struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    /// Writes `grey` to every pixel of the box.
    pub(super) fn fill(&self, grey: f32, out: &mut [f32]) {
        for line in out.chunks_exact_mut(SIDE).skip(self.top).take(self.height) {
            line[self.left..self.left + self.width].fill(grey);
        }
    }
}
