//! The faces that a quantisation observes activations with.

use shared_model::image::{INPUT_LEN, Normalisation, SIDE, sample};

use super::prepare::Prepared;

/// At most `count` faces of the training part, evenly chosen, as the network gets them.
///
/// Each is `[96 * 96]`, row by row, normalised. Variants of a face, which the original's protocol trains on, are left out.
pub fn calibration(prepared: &Prepared, normalisation: Normalisation, count: usize) -> Vec<Vec<f32>> {
    let faces = prepared.samples.data().faces();
    let rows: Vec<usize> = prepared
        .split
        .train
        .iter()
        .map(|row| *row as usize)
        .filter(|row| *row < faces.len())
        .collect();
    let step = rows.len().div_ceil(count.max(1)).max(1);
    let input = |row: &usize| {
        let mut values = vec![0.0; INPUT_LEN];
        let face = faces.view(*row);
        sample(face, &face.bounds(), SIDE, &mut values);
        normalisation.apply(&mut values);
        values
    };
    rows.iter().step_by(step).map(input).collect()
}
