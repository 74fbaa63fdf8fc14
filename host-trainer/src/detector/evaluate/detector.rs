//! Finding faces in a photo with a trained network.

use std::cell::RefCell;

use inference::PredictError;

use super::file::FileNetwork;
use super::{FindsFaces, Task, scaled};
use crate::detector::checkpoint::Checkpoint;
use crate::detector::data::{Face, Gray, Photo};
use crate::detector::engine::{Folded, FoldedLayer, Layer, Plane};
use crate::detector::geometry::Affine;
use crate::detector::levels::{CHANNELS, GRIDS, HEADS};
use crate::detector::network::layers;
use crate::detector::network::{MEAN, SPREAD};
use vision::detector::decode::{Detection, Map, decode};

/// Passes of a blur of 3 pixels that come to a standard deviation of 2.
const BLURS: usize = 8;

/// What is done to a photo before faces are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Variation {
    /// Nothing.
    None,
    /// Turned about its middle, in degrees, clockwise.
    Turned(f32),
    /// All pixels times a factor.
    Dark(f32),
    /// Blurred with a standard deviation of 2 pixels of the photo.
    Blurred,
    /// Reduced to half of the input.
    Half,
}

/// A network that finds faces.
pub struct Detector(Network);

enum Network {
    /// Weights of a training, in floats.
    Trained(Folded),
    /// A file, by the code that ships.
    File(RefCell<FileNetwork>),
}

/// What was found in a photo, beside what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// Found, in pixels of the photo as it was varied, the best first.
    pub found: Vec<Detection>,
    /// Annotated, in the same pixels.
    pub faces: Vec<Face>,
    /// Cells that were left out because there were too many.
    pub dropped: usize,
}

impl Detector {
    pub(crate) fn new(layers: &[Layer], params: &[f32], statistics: &[f32]) -> Self {
        Self(Network::Trained(Folded::new(layers, params, statistics)))
    }

    /// The network in an ONNX file, in floats or in integers, run by the runtime's code.
    ///
    /// # Errors
    /// Those of [`inference::Model::load_maps`].
    pub fn of_onnx(onnx: Vec<u8>) -> Result<Self, PredictError> {
        Ok(Self(Network::File(RefCell::new(FileNetwork::new(onnx)?))))
    }

    /// The averaged weights of a training.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let weights = &checkpoint.weights;
        Self::new(&layers(), &weights.average, &weights.average_statistics)
    }

    /// The layers of weights; none of a file.
    pub(crate) fn layers(&self) -> &[FoldedLayer] {
        match &self.0 {
            Network::Trained(network) => &network.layers,
            Network::File(_) => &[],
        }
    }

    /// Finds faces in a photo, fitted into the task's input.
    ///
    /// # Errors
    /// Those of [`inference::Model::load_maps`] and [`inference::Model::run`], of a network in a file.
    pub fn detect(&self, photo: &Photo, task: &Task) -> Result<Detected, PredictError> {
        let (gray, faces) = varied(photo, task.variation);
        let half = if task.variation == Variation::Half { 2 } else { 1 };
        let fit = |axis: usize, side: usize| task.input[axis] as f32 / half as f32 / side as f32;
        let scale = fit(0, gray.width).min(fit(1, gray.height));
        let side = |side: usize| ((side as f32 * scale).round() as usize).max(1);
        let (width, height) = (side(gray.width), side(gray.height));
        let input = if scale <= 1.0 {
            gray.reduced(width, height)
        } else {
            enlarged(&gray, width, height)
        };
        let (found, dropped) = self.find(&input, task)?;
        Ok(Detected {
            found: found.into_iter().map(|face| scaled(face, scale)).collect(),
            faces,
            dropped,
        })
    }

    /// Faces in pixels of the input itself, and how many cells were left out.
    pub(crate) fn find(&self, input: &Gray, task: &Task) -> Result<(Vec<Detection>, usize), PredictError> {
        let values: Vec<f32> = input
            .pixels
            .iter()
            .map(|pixel| (f32::from(*pixel) - MEAN) / SPREAD)
            .collect();
        let size = [input.width, input.height];
        let mut found = Vec::new();
        let mut read = |maps: &[Map<'_>; HEADS]| decode(maps, &GRIDS, size, &task.limits, &mut found);
        let dropped = match &self.0 {
            Network::Trained(network) => read(&maps(&network.run(&values, plane(size)))),
            Network::File(network) => network.borrow_mut().run(&values, size, read)?,
        };
        Ok((found, dropped.damaged + dropped.crowded))
    }
}

impl FindsFaces for Detector {
    fn detect(&self, photo: &Photo, task: &Task) -> Result<Detected, PredictError> {
        Self::detect(self, photo, task)
    }
}

fn plane([columns, rows]: [usize; 2]) -> Plane {
    Plane { columns, rows }
}

fn maps(outputs: &[(Vec<f32>, Plane)]) -> [Map<'_>; HEADS] {
    std::array::from_fn(|head| {
        let (values, plane) = &outputs[head];
        Map {
            values,
            columns: plane.columns,
            rows: plane.rows,
            pixel_step: CHANNELS[head],
            channel_step: 1,
        }
    })
}

/// The photo in this variation at its own size, and the annotated faces that are left in it.
pub fn varied(photo: &Photo, variation: Variation) -> (Gray, Vec<Face>) {
    let mut gray = photo.gray().clone();
    let mut faces = photo.faces.clone();
    match variation {
        Variation::None | Variation::Half => {}
        Variation::Dark(factor) => {
            gray.pixels
                .iter_mut()
                .for_each(|pixel| *pixel = (f32::from(*pixel) * factor).round() as u8);
        }
        Variation::Blurred => {
            for _ in 0..BLURS {
                blur(&mut gray);
            }
        }
        Variation::Turned(degrees) => {
            let middle = [gray.width as f32 / 2.0, gray.height as f32 / 2.0];
            let map = Affine::around(middle, middle, 1.0, degrees.to_radians(), false);
            let back = map.inverse();
            let source = gray.clone();
            for (at, pixel) in gray.pixels.iter_mut().enumerate() {
                let place = back.point([(at % source.width) as f32 + 0.5, (at / source.width) as f32 + 0.5]);
                *pixel = source.at(place[0], place[1]).map_or(128, |value| (value + 0.5) as u8);
            }
            let inside = |point: [f32; 2]| {
                (0.0..gray.width as f32).contains(&point[0]) && (0.0..gray.height as f32).contains(&point[1])
            };
            for face in &mut faces {
                face.bounds = map.bounds(face.bounds);
                face.points = face.points.map(|points| points.map(|point| map.point(point)));
            }
            // Turned out of the picture.
            faces.retain(|face| {
                let [left, top, right, bottom] = face.bounds;
                inside([f32::midpoint(left, right), f32::midpoint(top, bottom)])
            });
        }
    }
    (gray, faces)
}

/// One pass of 1, 2, 1 in each direction.
fn blur(gray: &mut Gray) {
    let (width, height) = (gray.width, gray.height);
    let source = gray.pixels.clone();
    let at = |x: usize, y: usize| u32::from(source[y * width + x]);
    for y in 0..height {
        for x in 0..width {
            let line = |y: usize| at(x.saturating_sub(1), y) + 2 * at(x, y) + at((x + 1).min(width - 1), y);
            let sum = line(y.saturating_sub(1)) + 2 * line(y) + line((y + 1).min(height - 1));
            gray.pixels[y * width + x] = ((sum + 8) / 16) as u8;
        }
    }
}

fn enlarged(gray: &Gray, width: usize, height: usize) -> Gray {
    let (across, down) = (gray.width as f32 / width as f32, gray.height as f32 / height as f32);
    let value = |at: usize| {
        let place = [((at % width) as f32 + 0.5) * across, ((at / width) as f32 + 0.5) * down];
        gray.at(place[0], place[1]).map_or(128, |value| (value + 0.5) as u8)
    };
    Gray {
        width,
        height,
        pixels: (0..width * height).map(value).collect(),
    }
}
