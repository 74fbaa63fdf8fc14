use onnx::ModelProto;
use prost::Message;
use tract_onnx::prelude::*;

use super::*;
use crate::detector::engine::{Folded, Plane};
use crate::detector::levels::{CHANNELS, HEADS};
use crate::detector::network::{initial, layers};

#[test]
fn the_file_computes_what_the_network_does_with_three_operators() {
    let layers = layers();
    let (params, mut statistics) = initial(&layers, 7);
    statistics
        .iter_mut()
        .enumerate()
        .for_each(|(at, value)| *value += (at % 5) as f32 * 0.02);
    let detector = Detector::new(&layers, &params, &statistics);
    let size = Plane { columns: 48, rows: 40 };
    let bytes = super::onnx(&detector);
    let model = ModelProto::decode(bytes.as_slice()).unwrap();
    let nodes = model.graph.unwrap().node;
    assert!(
        nodes
            .iter()
            .all(|node| ["Conv", "Relu", "Add"].contains(&node.op_type.as_str()))
    );
    let input: Vec<f32> = (0..size.pixels())
        .map(|at| (at * 37 % 101) as f32 / 101.0 - 0.5)
        .collect();
    let model = tract_onnx::onnx().model_for_read(&mut bytes.as_slice()).unwrap();
    let shape = f32::fact([1, 1, size.rows, size.columns]);
    let model = model
        .with_input_fact(0, shape.into())
        .unwrap()
        .into_optimized()
        .unwrap()
        .into_runnable()
        .unwrap();
    let tensor = tract_onnx::prelude::Tensor::from_shape(&[1, 1, size.rows, size.columns], &input).unwrap();
    let found = model.run(tvec!(tensor.into())).unwrap();
    let wanted = Folded::new(&layers, &params, &statistics).run(&input, size);
    for head in 0..HEADS {
        let (map, plane) = &wanted[head];
        let found = found[head].to_plain_array_view::<f32>().unwrap();
        assert_eq!(found.shape(), [1, CHANNELS[head], plane.rows, plane.columns]);
        for ((_, channel, row, column), value) in found
            .into_dimensionality::<tract_ndarray::Ix4>()
            .unwrap()
            .indexed_iter()
        {
            let wanted = map[(row * plane.columns + column) * CHANNELS[head] + channel];
            assert!(
                (value - wanted).abs() < 1e-4 * wanted.abs().max(1.0),
                "{value} {wanted}"
            );
        }
    }
}
