//! From the nodes of an ONNX file to a [`Graph`].
//!
//! In a quantised file every tensor between operations passes a `QuantizeLinear` and a `DequantizeLinear` with the
//! same scale. Reading follows each name to what it stands for ([`Value`]). An operation takes quantised tensors
//! and is complete when a `QuantizeLinear` follows, at most one `Relu` between; whatever is written in another way is
//! refused with the node's name, because computing something similar would be silently wrong.

use std::collections::HashMap;

use onnx::{GraphProto, NodeProto};

use super::{Graph, Node, Op, filter};
use crate::graph::attributes::Attributes;
use crate::graph::constants::Constants;
use crate::graph::geometry::{self, Geometry, input};
use crate::graph::{Shape, Subject, Target, Tensor, TensorId, Unsupported, Why, Window};
use crate::unsupported;
use kernels::Quantisation;

/// What a name stands for.
#[derive(Debug, Clone)]
enum Value {
    /// The input of the network, in floats.
    Input(Shape),
    /// Activations as unsigned 8-bit integers.
    Bytes(View),
    /// The same activations as real numbers.
    Real(View),
    /// Weights or biases as real numbers.
    Constant(filter::DequantizeInputs),
    /// What an operation gives before it is quantised.
    Pending(Box<Pending>),
}

/// A tensor, possibly flattened to channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    tensor: TensorId,
    flat: bool,
}

/// An operation whose result has no scale yet.
#[derive(Debug, Clone)]
struct Pending {
    name: String,
    op: Op,
    input: TensorId,
    shape: Shape,
    flat: bool,
    relu: bool,
}

/// Which layers may give an output in floats, without a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// Dense ones: the output is a vector.
    Dense,
    /// Convolutions too: the output is a map.
    Any,
}

/// Reads a graph that the structure check has accepted, with these outputs in this order.
pub(super) fn read(proto: GraphProto, input: Shape, outputs: &[&str], last: Last) -> Result<Graph, Unsupported> {
    let mut reader = Reader {
        constants: Constants::new(proto.initializer),
        values: HashMap::new(),
        graph: Graph::default(),
    };
    for info in &proto.input {
        if !reader.constants.contains(&info.name) {
            reader.values.insert(info.name.clone(), Value::Input(input));
        }
    }
    for node in &proto.node {
        let value = reader.node(node).map_err(|why| Subject::of(node).because(why))?;
        let output = node.output.first().cloned().unwrap_or_default();
        reader.values.insert(output, value);
    }
    for (at, name) in outputs.iter().enumerate() {
        reader
            .output(name, at, last)
            .map_err(|why| Subject::Output((*name).to_owned()).because(why))?;
    }
    Ok(reader.graph)
}

struct Reader {
    constants: Constants,
    values: HashMap<String, Value>,
    graph: Graph,
}

impl Reader {
    fn node(&mut self, node: &NodeProto) -> Result<Value, Why> {
        match node.op_type.as_str() {
            "QuantizeLinear" => self.quantise(node),
            "DequantizeLinear" => self.dequantise(node),
            "Conv" => self.convolution(node),
            "Gemm" => self.dense(node),
            "Add" => self.add(node),
            "MaxPool" => self.pool(node, Op::MaxPool),
            "AveragePool" => self.pool(node, Op::AveragePool),
            "Relu" => self.relu(node),
            "Flatten" => self.flatten(node),
            _ => Err(Why::Operator(" in a quantised network")),
        }
    }

    fn quantise(&mut self, node: &NodeProto) -> Result<Value, Why> {
        let quantisation = self.quantisation(node)?;
        let pending = match self.take(input(node, 0)?)? {
            Value::Input(shape) if self.graph.input.is_none() => {
                let tensor = self.tensor(shape, quantisation);
                self.graph.input = Some(tensor);
                return Ok(Value::Bytes(View { tensor, flat: false }));
            }
            Value::Real(view) if self.graph.tensors[view.tensor].quantisation == quantisation => {
                return Ok(Value::Bytes(view));
            }
            Value::Pending(pending) => pending,
            Value::Real(_) => return Err(Why::Pattern("it changes the scale of quantised values")),
            _ => return Err(Why::Pattern("its input is not what an operation gives")),
        };
        self.check_pool(&pending, quantisation)?;
        let tensor = self.tensor(pending.shape, quantisation);
        let flat = pending.flat;
        self.push(*pending, Target::Tensor(tensor));
        Ok(Value::Bytes(View { tensor, flat }))
    }

    /// The largest value of a window is one of its bytes only where the scale stays.
    fn check_pool(&self, pending: &Pending, quantisation: Quantisation) -> Result<(), Why> {
        let same = self.graph.tensors[pending.input].quantisation == quantisation;
        if matches!(pending.op, Op::MaxPool(_)) && (!same || pending.relu) {
            return Err(Why::Quantisation(format!(
                "the largest values of `{}` need the scale of its input, and no Relu",
                pending.name
            )));
        }
        Ok(())
    }

    fn dequantise(&mut self, node: &NodeProto) -> Result<Value, Why> {
        let name = input(node, 0)?;
        if self.constants.contains(name) {
            let axis = Attributes(node).int("axis", 1);
            return Ok(Value::Constant(filter::DequantizeInputs {
                names: node.input.clone(),
                axis,
            }));
        }
        let Some(Value::Bytes(view)) = self.values.get(name).cloned() else {
            return Err(Why::tensor(name, "is not quantised"));
        };
        if self.quantisation(node)? != self.graph.tensors[view.tensor].quantisation {
            return Err(Why::tensor(name, "was quantised with another scale"));
        }
        Ok(Value::Real(view))
    }

    fn convolution(&mut self, node: &NodeProto) -> Result<Value, Why> {
        let view = self.real(node, 0)?;
        if view.flat {
            return Err(Why::Pattern("its input is flattened"));
        }
        let weights = self.constants.shape(self.constant(node, 1)?.integers())?;
        let geometry = geometry::convolution(node, &weights, self.graph.tensors[view.tensor].shape)?;
        let op = self.conv_or_dense(node, view, &geometry)?;
        Ok(Self::pending(node, view, op, geometry.output))
    }

    fn dense(&mut self, node: &NodeProto) -> Result<Value, Why> {
        let view = self.real(node, 0)?;
        if !view.flat {
            return Err(Why::Pattern("its input is not flattened"));
        }
        let weights = self.constants.shape(self.constant(node, 1)?.integers())?;
        let geometry = geometry::dense(node, &weights, self.graph.tensors[view.tensor].shape)?;
        let op = self.conv_or_dense(node, view, &geometry)?;
        let Value::Pending(mut pending) = Self::pending(node, view, op, geometry.output) else {
            return Err(Why::Pattern("it has no result"));
        };
        pending.flat = true;
        Ok(Value::Pending(pending))
    }

    fn conv_or_dense(&mut self, node: &NodeProto, view: View, geometry: &Geometry) -> Result<Op, Why> {
        let weights = self.constant(node, 1)?;
        let biases = if node.input.len() > 2 {
            Some(self.constant(node, 2)?)
        } else {
            None
        };
        let scale = self.graph.tensors[view.tensor].quantisation.scale();
        let filter = filter::read(&mut self.constants, &weights, biases.as_ref(), geometry, scale)?;
        Ok(Op::Convolution {
            pool: None,
            window: geometry.window,
            filter,
            residual: None,
        })
    }

    fn add(&mut self, node: &NodeProto) -> Result<Value, Why> {
        let (view, other) = (self.real(node, 0)?, self.real(node, 1)?);
        let shape = self.graph.tensors[view.tensor].shape;
        if shape != self.graph.tensors[other.tensor].shape || view.flat || other.flat {
            return Err(Why::Pattern("its inputs have different shapes"));
        }
        Ok(Self::pending(node, view, Op::Add { other: other.tensor }, shape))
    }

    fn pool(&mut self, node: &NodeProto, op: fn(Window) -> Op) -> Result<Value, Why> {
        let view = self.real(node, 0)?;
        if view.flat {
            return Err(Why::Pattern("pooling of flattened values is not known"));
        }
        let (window, output) = geometry::pool(node, self.graph.tensors[view.tensor].shape)?;
        Ok(Self::pending(node, view, op(window), output))
    }

    fn relu(&mut self, node: &NodeProto) -> Result<Value, Why> {
        match self.take(input(node, 0)?)? {
            Value::Pending(mut pending) => {
                pending.relu = true;
                Ok(Value::Pending(pending))
            }
            _ => Err(Why::Pattern("it does not follow an operation at once")),
        }
    }

    fn flatten(&mut self, node: &NodeProto) -> Result<Value, Why> {
        Attributes(node).expect("axis", 1)?;
        match self.take(input(node, 0)?)? {
            Value::Pending(mut pending) => {
                pending.flat = true;
                Ok(Value::Pending(pending))
            }
            Value::Real(view) => Ok(Value::Real(View { flat: true, ..view })),
            _ => Err(Why::Pattern("its input is not quantised")),
        }
    }

    fn output(&mut self, name: &str, at: usize, last: Last) -> Result<(), Why> {
        match self.take(name)? {
            Value::Real(view) => self.graph.results.push((view.tensor, at)),
            Value::Pending(pending)
                if matches!(pending.op, Op::Convolution { .. }) && (pending.flat || last == Last::Any) =>
            {
                self.push(*pending, Target::Output(at));
            }
            _ => return Err(Why::Pattern("it is neither dequantised nor a dense layer's")),
        }
        Ok(())
    }

    fn pending(node: &NodeProto, view: View, op: Op, shape: Shape) -> Value {
        Value::Pending(Box::new(Pending {
            name: unsupported::name(node),
            op,
            input: view.tensor,
            shape,
            flat: false,
            relu: false,
        }))
    }

    fn push(&mut self, pending: Pending, output: Target) {
        let Pending {
            name, op, input, relu, ..
        } = pending;
        self.graph.nodes.push(Node {
            name,
            op,
            input,
            output,
            relu,
        });
    }

    fn tensor(&mut self, shape: Shape, quantisation: Quantisation) -> TensorId {
        self.graph.tensors.push(Tensor { shape, quantisation });
        self.graph.tensors.len() - 1
    }

    /// The value of a name; a pending one is gone afterwards, because only one node may continue an operation.
    fn take(&mut self, name: &str) -> Result<Value, Why> {
        let value = match self.values.get(name) {
            Some(Value::Pending(_)) => self.values.remove(name),
            other => other.cloned(),
        };
        value.ok_or_else(|| Why::tensor(name, "is a constant, or used by two nodes before it is quantised"))
    }

    fn real(&self, node: &NodeProto, at: usize) -> Result<View, Why> {
        let name = input(node, at)?;
        match self.values.get(name) {
            Some(Value::Real(view)) => Ok(*view),
            _ => Err(Why::tensor(name, "does not come from a DequantizeLinear")),
        }
    }

    fn constant(&self, node: &NodeProto, at: usize) -> Result<filter::DequantizeInputs, Why> {
        let name = input(node, at)?;
        match self.values.get(name) {
            Some(Value::Constant(names)) => Ok(names.clone()),
            _ => Err(Why::tensor(name, "is no quantised constant")),
        }
    }

    /// Scale and zero point of a tensor of activations.
    fn quantisation(&self, node: &NodeProto) -> Result<Quantisation, Why> {
        Attributes(node).expect("block_size", 0)?;
        let scale = self.constants.floats(input(node, 1)?)?;
        let zero_point = self.constants.unsigned(input(node, 2)?)?;
        match (&scale[..], &zero_point[..]) {
            ([scale], [zero_point]) => Ok(Quantisation::new(*scale, *zero_point)?),
            _ => Err(Why::Quantisation(
                "activations have one scale and zero point a tensor".to_owned(),
            )),
        }
    }
}
