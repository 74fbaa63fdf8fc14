//! Samples to train on, each a function of seed, step and place in the step alone.
//!
//! A sample is a part of a photo as it is, or a background with faces of other photos pasted in together with what
//! surrounds them. Patches of photos without a face are pasted in the same way, so that the seam of a patch says nothing.
//! So are [shaded ovals](oval).
//! At last light, blur, noise and covered parts are varied.

mod light;
mod oval;
mod patch;
mod pick;
mod scene;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::alarm::Alarm;
use super::config::DetectorConfig;
use super::data::Photo;
use super::geometry::area;
use pick::Pool;
use scene::Scene;

/// What the network is to find in a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    /// Left, top, right, bottom in pixels of the sample.
    pub(crate) bounds: [f32; 4],
    pub(crate) points: Option<[[f32; 2]; 5]>,
    /// Takes no part.
    pub(crate) ignored: bool,
}

impl Target {
    /// Root of the area in pixels.
    pub(crate) fn size(&self) -> f32 {
        area(self.bounds).sqrt()
    }
}

/// A composed picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// From 0 to 255, row by row.
    pub(crate) pixels: Vec<f32>,
    pub(crate) faces: Vec<Target>,
}

/// Composes samples of photos that are not held out.
pub(crate) struct Composer<'a> {
    pool: Pool<'a>,
    size: [usize; 2],
    seed: u64,
    /// Share of the pasted things without a face that are ovals.
    ovals: f64,
}

/// Where the sides of all random choices of a sample come from.
type Rng = ChaCha8Rng;

/// What the photos lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("compose samples: {0}")]
pub(crate) struct ComposeError(&'static str);

impl<'a> Composer<'a> {
    /// Size, seed and shares are those of `config`.
    pub(crate) fn new(photos: &'a [Photo], config: &DetectorConfig) -> Result<Self, ComposeError> {
        let pool = Pool::new(photos, config.sideways);
        if !pool.has_faces() {
            return Err(ComposeError("no face to train on that is not held out"));
        }
        if !pool.has_empty() {
            return Err(ComposeError("no picture without a face; add some, with kind 'none'"));
        }
        Ok(Self {
            pool,
            size: config.input,
            seed: config.seed,
            ovals: config.ovals,
        })
    }

    /// Lets samples show these false alarms from now on.
    pub(crate) fn show(&mut self, alarms: &[Alarm]) {
        self.pool.alarms = alarms.to_vec();
    }

    /// The sample at a place of a step.
    pub(crate) fn sample(&self, step: u64, place: usize) -> Sample {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&step.to_le_bytes());
        key[16..24].copy_from_slice(&(place as u64).to_le_bytes());
        let mut rng = Rng::from_seed(key);
        let mut scene = Scene::new(self.size, self.ovals);
        scene.compose(&self.pool, &mut rng);
        let mut sample = scene.into_sample();
        light::vary(&mut sample, self.size, &mut rng);
        sample
    }
}

#[cfg(test)]
pub(crate) mod tests;
