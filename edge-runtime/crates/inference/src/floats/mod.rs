//! A network in 32-bit floats, run by kernels of this program.
//!
//! tract runs such a network as well, and does so where it has operations that are not supported here
//! ([`tract_backend`](super::tract_backend)). A supported network runs about twice as fast here: convolutions read their
//! windows in place, biases, ReLUs and residual additions cost no pass of their own, and what no output depends on is not
//! computed. The bits are the same with all instruction sets of the [`kernels`](kernels); from tract's, whose sums have
//! another order, an output differs by less than a hundred thousandth of the largest value.

mod read;
mod step;

use onnx::{GraphProto, TensorProto};

use super::PredictError;
use super::graph::constants::Constants;
use super::graph::plan::Plan;
use super::graph::{self, Subject, Values, Why, rewrite};
use super::signature::{Form, InputSize, Signature};
use kernels::{Arena, Isa};

/// 32-bit floats.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floats;

impl Values for Floats {
    type Quantisation = ();
    type Filter = Filter;

    fn channels(filter: &Filter) -> usize {
        filter.outputs
    }
}

type Graph = graph::Graph<Floats>;
type Node = graph::Node<Floats>;
type Op = graph::Op<Floats>;

/// Which constants are weights and biases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    weights: String,
    biases: Option<String>,
    /// Output channels.
    outputs: usize,
    /// Distance of output channels, and of positions `(channel, row, column)` of the window, in the weights.
    strides: [usize; 2],
}

/// A network whose operations are all supported by the kernels of this program.
pub(super) struct Supported(Graph);

impl Supported {
    /// Reads a graph that the structure check has accepted. [`PredictError::Unsupported`] says what has to be left to tract;
    /// any other error is one for every engine.
    pub(super) fn read(proto: &GraphProto, signature: &Signature<'_>, isa: Isa) -> Result<Self, PredictError> {
        if isa == Isa::Portable {
            return Err(Subject::Graph.because(Why::Isa).into());
        }
        let names: Vec<&str> = signature.names().collect();
        let InputSize { rows, columns } = signature.input;
        let mut graph = read::read(proto, [rows, columns, 1], &names)?;
        // A map that is flattened into a vector keeps its channels last here.
        let is_flattened = |&(at, (_, length)): &(usize, &(&str, usize))| {
            let shape = graph.output_shape(at).unwrap_or_default();
            shape[..2] != [1, 1] && shape.iter().product::<usize>() == *length
        };
        if let (Form::Vectors, Some((_, (name, _)))) =
            (signature.form, signature.outputs.iter().enumerate().find(is_flattened))
        {
            let reason = Why::Pattern("it is a map that is flattened into a vector");
            return Err(Subject::Output((*name).to_owned()).because(reason).into());
        }
        graph::check_outputs(&graph, signature)?;
        rewrite::fuse_residual_adds(&mut graph)?;
        rewrite::drop_dead_nodes(&mut graph);
        rewrite::shrink_tensors(&mut graph);
        rewrite::fuse_max_pools(&mut graph, |window| window.size == [1, 1]);
        Ok(Self(graph))
    }
}

/// A network that is ready to run.
pub(super) type Network = Plan<Floats>;

/// Packs the weights of a network that was read.
pub(super) fn build(
    Supported(graph): Supported,
    constants: Vec<TensorProto>,
    signature: &Signature<'_>,
    isa: Isa,
) -> Result<Network, PredictError> {
    let mut constants = Constants::new(constants);
    let mut arena = Arena::default();
    let plan = Plan::new(graph, signature, |node, tensors| {
        step::step(&node, tensors, &mut constants, &mut arena, isa)
    });
    Ok(plan?)
}

#[cfg(test)]
mod tests {
    use shared_model::image::{INPUT_LEN, SIDE};

    use super::*;
    use crate::Input;
    #[cfg(feature = "tract")]
    use crate::tract_backend;
    use testing::network;

    const OUTPUTS: [(&str, usize); 1] = [("emotion", 5)];

    fn image() -> Vec<f32> {
        (0..INPUT_LEN)
            .map(|at| ((at * 31 + at / 96 * 7) % 101) as f32 / 50.0 - 1.0)
            .collect()
    }

    fn graph(change: impl FnOnce(&mut GraphProto)) -> GraphProto {
        let mut graph = network::residual("emotion", 5).graph.unwrap();
        change(&mut graph);
        graph
    }

    fn computed(isa: Isa, graph: GraphProto) -> Vec<f32> {
        let supported =
            Supported::read(&graph, &Signature::crop(&OUTPUTS), isa).unwrap_or_else(|reason| panic!("{reason}"));
        let mut network = build(supported, graph.initializer, &Signature::crop(&OUTPUTS), isa).unwrap();
        network.run(Input::Values(&image()), SIDE, &mut || {}).unwrap();
        network.output(0).to_vec()
    }

    #[cfg(feature = "tract")]
    fn by_tract() -> Vec<f32> {
        let mut network =
            tract_backend::Network::new(network::residual("emotion", 5), &Signature::crop(&OUTPUTS)).unwrap();
        network.run(Input::Values(&image()), &mut || {}).unwrap();
        network.output(0).to_vec()
    }

    fn own() -> impl Iterator<Item = Isa> {
        Isa::ALL
            .into_iter()
            .filter(|isa| isa.is_available() && *isa != Isa::Portable)
    }

    /// The documented tolerance: a hundred thousandth of the largest value.
    #[cfg(feature = "tract")]
    #[test]
    fn gives_what_tract_gives() {
        let expected = by_tract();
        let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(largest > 0.1, "{expected:?}");
        for isa in own() {
            for (got, expected) in computed(isa, graph(|_| ())).iter().zip(&expected) {
                assert!((got - expected).abs() <= 1e-5 * largest, "{isa:?}: {got} {expected}");
            }
        }
    }

    /// Winograd's method at work: each network has two layers with patches of 4x4 outputs, and four of 2x2.
    #[cfg(feature = "tract")]
    #[test]
    fn the_default_bundle_gives_what_tract_gives() {
        use prost::Message;

        let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/default");
        for (name, length) in [("keypoints", 30), ("emotion", 6)] {
            let file = std::fs::read(format!("{bundle}/{name}.onnx")).unwrap();
            let proto = onnx::ModelProto::decode(&file[..]).unwrap();
            let outputs = [(name, length)];
            let signature = Signature::crop(&outputs);
            let mut stock = tract_backend::Network::new(proto.clone(), &signature).unwrap();
            stock.run(Input::Values(&image()), &mut || {}).unwrap();
            let expected = stock.output(0);
            let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            for isa in own() {
                let graph = proto.graph.clone().unwrap();
                let supported = Supported::read(&graph, &signature, isa).unwrap_or_else(|reason| panic!("{reason}"));
                let mut network = build(supported, graph.initializer, &signature, isa).unwrap();
                network.run(Input::Values(&image()), SIDE, &mut || {}).unwrap();
                let differences = network.output(0).iter().zip(expected).map(|(a, b)| (a - b).abs());
                let most = differences.fold(0.0, f32::max) / largest;
                println!("{name}, {isa:?}: {most:e} of the largest value");
                assert!(most <= 1e-5, "{name}, {isa:?}: {most:e}");
            }
        }
    }

    #[test]
    fn gives_the_same_bits_with_all_instructions() {
        let all: Vec<_> = own().map(|isa| computed(isa, graph(|_| ()))).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    }

    #[test]
    fn raw_and_plain_constants_mean_the_same() {
        let raw = graph(|graph| {
            for tensor in &mut graph.initializer {
                tensor.raw_data = tensor.float_data.drain(..).flat_map(f32::to_le_bytes).collect();
            }
        });
        for isa in own() {
            assert_eq!(computed(isa, raw.clone()), computed(isa, graph(|_| ())));
        }
    }

    /// What is left to tract, and not computed in another way.
    #[test]
    fn what_is_not_known_is_named() {
        type Change = fn(&mut GraphProto);
        let cases: [(&str, Change); 5] = [
            ("`Conv_a` (Conv): attribute `group`", |graph| {
                let mut group = graph.node[3].attribute[0].clone();
                (group.name, group.i) = ("group".into(), 2);
                graph.node[3].attribute.push(group);
            }),
            ("(Sigmoid): it is not known", |graph| {
                graph.node[1].op_type = "Sigmoid".into();
            }),
            ("(Relu): it does not follow", |graph| {
                let mut other = graph.node[1].clone();
                other.output = vec!["other".into()];
                graph.node.insert(2, other);
            }),
            ("two layers share `c.weight`", |graph| {
                let at = graph.node.iter().position(|node| node.output[0] == "shortcut").unwrap();
                graph.node[at].input = vec!["b.relu".into(), "c.weight".into(), "c.bias".into()];
            }),
            ("pooling with padding", |graph| {
                let mut pads = graph.node[2].attribute[0].clone();
                (pads.name, pads.ints) = ("pads".into(), vec![1; 4]);
                graph.node[2].attribute.push(pads);
            }),
        ];
        for isa in own() {
            for (expected, change) in cases {
                let reason = Supported::read(&graph(change), &Signature::crop(&OUTPUTS), isa)
                    .map(|_| ())
                    .unwrap_err()
                    .to_string();
                assert!(reason.contains(expected), "{reason:?} does not speak of {expected}");
            }
            let reason = Supported::read(&graph(|_| ()), &Signature::crop(&[("emotion", 7)]), isa)
                .map(|_| ())
                .unwrap_err()
                .to_string();
            assert!(reason.contains("`emotion`"), "{reason}");
        }
    }

    #[test]
    fn without_vector_instructions_it_is_left_to_tract() {
        assert!(Supported::read(&graph(|_| ()), &Signature::crop(&OUTPUTS), Isa::Portable).is_err());
    }
}
