use super::*;
use std::path::Path;

use crate::LEVELS;
use crate::bundle::Bundle;
use shared_model::image::{GrayView, INPUT_LEN};
use shared_model::manifest::Precision;
use testing::network;

fn onnx(name: &str, length: usize) -> Vec<u8> {
    network::encode(&network::linear(name, length))
}

#[test]
fn computes_what_the_weights_say() {
    let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
    let input: Vec<f32> = (0..INPUT_LEN).map(|at| at as f32 / INPUT_LEN as f32).collect();
    model.run(&input).unwrap();
    let expected = network::expected(&input, 5);
    for (got, expected) in model.output(0).iter().zip(&expected) {
        assert!(
            (got - expected).abs() < 1e-3 * expected.abs().max(1.0),
            "{got} {expected}"
        );
    }
    assert_eq!(model.output(0).len(), 5);
    assert!(model.output(1).is_empty());
}

#[test]
fn gives_outputs_in_the_order_asked_for() {
    let bytes = network::encode(&network::pair("keypoints", 30, "emotion", 5));
    let mut model = Model::load(&bytes, &[("emotion", 5), ("keypoints", 30)]).unwrap();
    model.run(&vec![0.5; INPUT_LEN]).unwrap();
    assert_eq!((model.output(0).len(), model.output(1).len()), (5, 30));
}

#[test]
fn same_input_gives_the_same_output_after_another() {
    let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
    model.run(&vec![0.25; INPUT_LEN]).unwrap();
    let first = model.output(0).to_vec();
    model.run(&vec![0.75; INPUT_LEN]).unwrap();
    assert_ne!(model.output(0), first);
    model.run(&vec![0.25; INPUT_LEN]).unwrap();
    assert_eq!(model.output(0), first);
}

#[test]
fn every_layer_is_timed() {
    let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
    let mut times = vec![Duration::ZERO; 99];
    model
        .run_timed(Input::Values(&vec![0.5; INPUT_LEN]), &mut times)
        .unwrap();
    assert_eq!(times.len(), model.layers().len());
    assert!(model.layers().iter().map(|layer| layer.macs).sum::<u64>() >= 5);
}

#[test]
fn refuses_other_lengths_and_names() {
    let bytes = onnx("emotion", 5);
    assert!(matches!(
        Model::load(&bytes, &[("emotion", 7)]),
        Err(PredictError::Output { length: 7, .. })
    ));
    assert!(matches!(
        Model::load(&bytes, &[("keypoints", 5)]),
        Err(PredictError::Structure(_))
    ));
}

/// The trainer looks at values inside a network that way.
#[cfg(feature = "tract")]
#[test]
fn a_map_that_is_flattened_into_a_vector_is_left_to_tract() {
    let mut proto = network::residual("emotion", 160);
    proto.graph.as_mut().unwrap().output[0].name = "flat".into();
    let onnx = network::encode(&proto);
    let mut model = Model::load(&onnx, &[("flat", 160)]).unwrap();
    assert!(matches!(model.engine(), Engine::Tract(_)), "{:?}", model.engine());
    model.run(&vec![0.5; INPUT_LEN]).unwrap();
    assert_eq!(model.output(0).len(), 160);
}

#[test]
fn refuses_inputs_and_outputs_that_are_no_numbers() {
    let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
    assert!(matches!(model.run(&[0.0; 7]), Err(PredictError::Input(7))));
    assert!(matches!(
        model.run(&vec![f32::NAN; INPUT_LEN]),
        Err(PredictError::NotFinite(_))
    ));
}

/// The value of a channel of a map, in a row and column.
#[cfg(feature = "tract")]
fn value(map: &OutputMap<'_>, channel: usize, row: usize, column: usize) -> f32 {
    map.values[(row * map.columns + column) * map.pixel_step + channel * map.channel_step]
}

#[cfg(not(feature = "tract"))]
#[test]
fn what_the_kernels_do_not_compute_is_refused_with_the_way_out() {
    let refused = Model::load_for(Isa::Portable, &onnx("emotion", 5), &[("emotion", 5)]).map(|_| ());
    let error = refused.unwrap_err();
    assert!(matches!(error, PredictError::NeedsTract(_)), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("host-trainer") && told.contains("the feature `tract`"),
        "{told}"
    );
}

#[cfg(feature = "tract")]
#[test]
fn maps_of_any_input_size_are_those_of_tract() {
    const OUTPUTS: [(&str, usize); 2] = [("fine", 75), ("coarse_map", 15)];
    let onnx = network::encode(&network::maps(["fine", "coarse_map"], [75, 15]));
    for (rows, columns) in [(64, 96), (30, 41), (120, 160)] {
        let size = InputSize { rows, columns };
        let input: Vec<f32> = (0..size.pixels())
            .map(|at| ((at * 31 + at / columns * 7) % 101) as f32 / 50.0 - 1.0)
            .collect();
        let all = Isa::ALL.into_iter().filter(|isa| isa.is_available());
        let mut tract = Model::load_maps_for(Isa::Portable, &onnx, size, &OUTPUTS).unwrap();
        assert!(matches!(tract.engine(), Engine::Tract(_)));
        tract.run(&input).unwrap();
        for isa in all.filter(|isa| *isa != Isa::Portable) {
            let mut own = Model::load_maps_for(isa, &onnx, size, &OUTPUTS).unwrap();
            assert_eq!(own.engine(), &Engine::Own(isa));
            own.run(&input).unwrap();
            for (at, (_, channels)) in OUTPUTS.iter().enumerate() {
                let (own, tract) = (own.map(at).unwrap(), tract.map(at).unwrap());
                let stride = [4, 8][at];
                assert_eq!(
                    (own.rows, own.columns),
                    (rows.div_ceil(stride), columns.div_ceil(stride))
                );
                assert_eq!((own.rows, own.columns), (tract.rows, tract.columns));
                for (row, column) in (0..own.rows).flat_map(|row| (0..own.columns).map(move |column| (row, column))) {
                    for channel in 0..*channels {
                        let (own, tract) = (value(&own, channel, row, column), value(&tract, channel, row, column));
                        assert!((own - tract).abs() < 1e-4, "{own} {tract}");
                    }
                }
            }
        }
    }
}

#[test]
fn maps_of_other_channels_and_inputs_of_other_sizes_are_refused() {
    let onnx = network::encode(&network::maps(["fine", "coarse_map"], [75, 15]));
    let size = InputSize { rows: 24, columns: 32 };
    let refused = Model::load_maps(&onnx, size, &[("fine", 74)]).map(|_| ()).unwrap_err();
    assert!(matches!(refused, PredictError::Output { length: 74, .. }), "{refused}");
    let mut model = Model::load_maps(&onnx, size, &[("fine", 75)]).unwrap();
    let error = model.run(&[0.0; 7]).unwrap_err().to_string();
    assert!(error.contains("7 values instead of 768"), "{error}");
    assert!(model.map(1).is_none());
}

#[test]
fn grey_pixels_are_what_their_values_are_in_every_arithmetic() {
    let bundle = Bundle::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/default"))).unwrap();
    let detector = bundle.manifest().detector.clone().unwrap();
    let outputs: Vec<_> = detector
        .outputs
        .iter()
        .map(|map| (map.name.as_str(), map.channels()))
        .collect();
    let size = InputSize { rows: 45, columns: 64 };
    let pixels: Vec<u8> = (0..size.pixels()).map(|at| (at * 7919 % 256) as u8).collect();
    let picture = GrayView::new(&pixels, size.columns, size.rows).unwrap();
    let levels: [f32; LEVELS] = std::array::from_fn(|level| level as f32 / 200.0 - 0.3);
    let values: Vec<f32> = pixels.iter().map(|pixel| levels[usize::from(*pixel)]).collect();
    for file in &detector.files {
        let onnx = bundle.read(file.into()).unwrap();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut model = match Model::load_maps_for(isa, &onnx, size, &outputs) {
                // Floats without vector instructions are tract's, which this build may not have.
                Err(PredictError::NeedsTract(_)) if cfg!(not(feature = "tract")) => continue,
                loaded => loaded.unwrap(),
            };
            let mut run = |input| {
                model.run_on(input).unwrap();
                let bits = (0..outputs.len()).flat_map(|at| model.output(at).iter().map(|value| value.to_bits()));
                bits.collect::<Vec<_>>()
            };
            let expected = run(Input::Values(&values));
            assert!(run(Input::Grey(picture, &[0.0; LEVELS])) != expected, "{isa:?}");
            assert!(
                run(Input::Grey(picture, &levels)) == expected,
                "{isa:?}, {:?}",
                file.precision
            );
        }
        let mut model = Model::load_maps(&onnx, size, &outputs).unwrap();
        let turned = GrayView::new(&pixels, size.rows, size.columns).unwrap();
        for (picture, level) in [(picture, f32::NAN), (turned, 0.0)] {
            let refused = model.run_on(Input::Grey(picture, &[level; LEVELS]));
            assert!(
                refused.is_err() || (level.is_nan() && file.precision == Precision::F32),
                "{level}"
            );
        }
    }
}

#[test]
fn damaged_files_are_errors_or_run_but_never_panic() {
    let bytes = onnx("emotion", 5);
    for at in (0..bytes.len()).step_by(bytes.len() / 97 + 1) {
        for bit in [0, 3, 7] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let _ = Model::load(&damaged, &[("emotion", 5)]);
        }
        assert!(Model::load(&bytes[..at], &[("emotion", 5)]).is_err(), "{at} bytes");
    }
}

/// A field of a message, which may be one itself.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut left = content.len();
    while left > 0x7f {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    [&bytes, content].concat()
}

#[test]
fn files_that_hold_no_network_are_refused_however_deep_they_are() {
    // Graphs in attributes of nodes of graphs.
    let deep = (0..5000).fold(Vec::new(), |inner, _| field(1, &field(5, &field(6, &inner))));
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("zeros", vec![0; 100_000]),
        ("a text", b"emotion,pixels,Usage\n".to_vec()),
        ("graphs in graphs", field(7, &deep)),
        (
            "a length beyond the file",
            vec![7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
    ] {
        assert!(Model::load(&bytes, &[("emotion", 5)]).is_err(), "{what}");
    }
}

#[test]
fn weights_that_are_no_numbers_make_no_verdict() {
    for weight in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut network = network::linear("emotion", 5);
        for tensor in &mut network.graph.as_mut().unwrap().initializer {
            tensor.float_data.iter_mut().for_each(|value| *value = weight);
        }
        let refused = match Model::load(&network::encode(&network), &[("emotion", 5)]) {
            Err(_) => true,
            Ok(mut model) => model.run(&vec![1.0; INPUT_LEN]).is_err(),
        };
        assert!(refused, "{weight}");
    }
}
